// The arena: two answers side by side without names; a vote; then the names.
//
// The server chooses the pair, and which answer stands on which side. The page learns the names in the reply to a vote.

import { drawPair, drawVoted } from "./arena_pair.js";
import { annotator } from "./annotator.js";
import { coded } from "./coded.js";
import { askForName } from "./name_form.js";
import { announce, api, bindKeys, element, emptiness, fill, main, openShell, problem } from "./shell.js";
import { words } from "./words/arena.js";

const KEYS = { left: "ArrowLeft", tie: "=", both_bad: "b", right: "ArrowRight" };
const CHOICES = ["left", "tie", "both_bad", "right"];

const about = await openShell("arena", words.title);
const parts = layOut();
let state = null; // what GET /api/arena/next said last
let voted = null; // the reply to the vote on the pair that stands there
let busy = false;

bindKeys([
  ...CHOICES.map((choice) => ({ keys: [KEYS[choice]], label: words.keyLabels[choice], act: () => vote(choice) })),
  { keys: ["s"], label: words.skipLabel, act: skip },
  { keys: ["u"], label: words.undo, act: undo },
  { keys: ["n", "Enter"], label: words.next, act: () => voted && next() },
]);
function layOut() {
  const made = {
    status: element("div", { class: "status" }),
    pair: element("div", { class: "pair" }),
    bar: element("div", { class: "vote", role: "group", "aria-label": words.votes }),
  };
  main().classList.add("arena");
  fill(main(), element("h1", { class: "visually-hidden" }, words.title), made.status, made.pair, made.bar);
  return made;
}

function askName() {
  state = voted = null;
  for (const part of [parts.status, parts.bar]) fill(part);
  const begin = (name) => {
    annotator.keep(name);
    next();
  };
  askForName(parts.pair, { id: "annotator", longest: 60, name: annotator.name(), words, begin });
}

/** Runs one exchange with the server at a time; a key that is pressed meanwhile does nothing. */
async function exchange(act) {
  if (busy) return;
  busy = true;
  parts.bar.setAttribute("aria-busy", "true");
  try {
    await act();
  } catch (error) {
    await fail(error);
  } finally {
    busy = false;
    parts.bar.removeAttribute("aria-busy");
  }
}

/** What stands there was voted on in another window, or is no more: the next pair. All else stays where it is. */
async function fail(error) {
  if (error.status === 409) {
    announce(error.message);
    show(await api("/api/arena/next", { query: { annotator: annotator.name() } }));
  } else if (!state) {
    fill(parts.pair, problem(error, () => (error.status === 0 ? next() : askName())));
  } else {
    fill(parts.bar, problem(error, () => (voted ? drawBarAfter() : drawBar())));
  }
}

function next() {
  return exchange(async () => show(await api("/api/arena/next", { query: { annotator: annotator.name() } })));
}

function vote(choice) {
  if (!state?.comparison || voted) return;
  exchange(async () => {
    voted = await api("/api/arena/vote", { body: { ...shown(), vote: choice } });
    if (annotator.goesOn()) {
      announce(words.said[choice](voted.left, voted.right));
      show(await api("/api/arena/next", { query: { annotator: annotator.name() } }));
    } else {
      drawVoted(parts.pair, voted);
      drawStatus(voted.progress);
      drawBarAfter();
    }
  });
}

function skip() {
  if (!state?.comparison || voted) return;
  exchange(async () => {
    show(await api("/api/arena/skip", { body: shown() }));
    announce(words.skipped);
  });
}

function undo() {
  const receipt = voted?.receipt ?? state?.last?.receipt;
  if (!receipt) return;
  exchange(async () => {
    show(await api("/api/arena/undo", { body: { annotator: annotator.name(), receipt } }));
    announce(words.undone);
  });
}

const shown = () => ({ annotator: annotator.name(), question_id: state.comparison.question_id, token: state.comparison.token });

function show(found) {
  state = found;
  voted = null;
  drawStatus(found.progress);
  if (found.comparison) drawPair(parts.pair, found.comparison);
  else fill(parts.pair, nothing(found.progress));
  drawBar();
  window.scrollTo({ top: 0 });
}

function nothing({ n_comparisons: n }) {
  if (!n) return emptiness(words.nothing, coded(words.nothingWhy));
  return emptiness(words.done, coded(words.doneWhy(n)), element("a", { class: "button", href: "/leaderboard" }, words.toLeaderboard));
}

function drawStatus(progress) {
  const bar = element("progress", { max: Math.max(1, progress.n_comparisons), value: progress.n_mine, "aria-label": words.progressLabel });
  const change = element("button", { type: "button", class: "quiet small", onclick: () => !busy && askName() }, words.change);
  fill(
    parts.status,
    element("p", { class: "done" }, bar, element("span", {}, words.progress(progress.n_mine, progress.n_comparisons))),
    progress.n_annotators > 0 && element("p", { class: "soft others" }, words.others(progress.n_voted, progress.n_annotators)),
    element("p", { class: "who" }, element("span", { class: "soft" }, words.votesAs), " ", element("bdi", {}, annotator.name()), change),
  );
}

function drawBar() {
  const canVote = Boolean(state.comparison);
  fill(
    parts.bar,
    canVote && element("div", { class: "choices" }, CHOICES.map(choiceButton)),
    element(
      "div",
      { class: "beside" },
      canVote && button(words.skip, "s", skip, "quiet"),
      state.last && button(words.undo, "u", undo, "quiet"),
      canVote && goesOnBox(),
    ),
  );
}

/** After a vote, while the names stand there. */
function drawBarAfter() {
  fill(
    parts.bar,
    element("div", { class: "after" }, element("p", { role: "status" }, words.said[voted.vote](voted.left, voted.right)), button(words.next, "n", next, "primary")),
    element("div", { class: "beside" }, button(words.undo, "u", undo, "quiet"), goesOnBox()),
  );
  parts.bar.querySelector(".primary").focus({ preventScroll: true });
}

const choiceButton = (choice) => button(words.choices[choice], { left: "←", right: "→", tie: "=", both_bad: "b" }[choice], () => vote(choice), choice);

const button = (text, key, act, kind) =>
  element("button", { type: "button", class: kind, onclick: act }, element("span", {}, text), element("kbd", { "aria-hidden": "true" }, key));

function goesOnBox() {
  const box = element("input", { type: "checkbox", checked: annotator.goesOn(), onchange: () => annotator.setGoesOn(box.checked) });
  return element("label", { class: "soft" }, box, words.atOnce);
}

if (!about.writable) fill(main(), emptiness(words.readOnly, words.readOnlyWhy));
else if (annotator.name()) next();
else askName();

// One question's whole story: image, caption, the two answers of a pair, both orders of each judgment, all other answers.

import { badge } from "./badges.js";
import { judgments, outcomeOf, verdictBadge } from "./question_judgments.js";
import { picture } from "./picture.js";
import { element, fill } from "./shell.js";
import { words } from "./words/questions.js";

/**
 * Draws an answer of GET /api/questions/{id}. `query` is the page's; `step("before" | "after")` and `back()` lead to
 * other questions, `choose(left, right)` to another pair.
 */
export function drawQuestion(place, story, { query, step, back, choose }) {
  const pair = pairOf(story, query);
  const answers = new Map(story.answers.map((answer) => [answer.model, answer]));
  const others = story.answers.filter(({ model }) => !pair?.includes(model));
  fill(
    place,
    steps(story, step, back),
    story.faults.map((fault) => element("p", { class: "notice bad" }, fault)),
    question(story),
    pair && element("section", { class: "contest" }, pairChips(story, pair, choose), element("div", { class: "two" }, pair.map((model) => answerCard(answers.get(model)))), judgments(story, pair), people(story, pair)),
    others.length > 0 && element("details", { class: "others", open: !pair }, element("summary", {}, pair ? words.otherAnswers(others.length) : words.answers), element("div", { class: "two" }, others.map(answerCard))),
  );
}

/** The pair that is shown: the one chosen, else the filters', else the first that was judged, else the first two answers. */
function pairOf(story, query) {
  const known = new Set(story.answers.map(({ model }) => model));
  const chosen = [query.get("left"), query.get("right")];
  if (chosen.every((model) => known.has(model)) && chosen[0] !== chosen[1]) return chosen;
  const [model, against] = [query.get("model"), query.get("against")];
  if (known.has(model) && known.has(against) && model !== against) return [model, against];
  const fitting = story.contests.find((each) => fits(each, query));
  if (fitting) return fitting.model_b === model || fitting.model_a === against ? [fitting.model_b, fitting.model_a] : [fitting.model_a, fitting.model_b];
  return story.answers.length > 1 ? story.answers.slice(0, 2).map((answer) => answer.model) : null;
}

function fits(contest, query) {
  const models = [contest.model_a, contest.model_b];
  const wanted = ["model", "against"].map((name) => query.get(name)).filter((name) => name !== null);
  if (query.has("judge") && contest.judge !== query.get("judge")) return false;
  const verdict = query.get("verdict");
  const kinds = wanted.length ? [contest.verdict ?? "not_judged", mirrored(contest.verdict)] : [contest.verdict === "loss" ? "win" : (contest.verdict ?? "not_judged")];
  return wanted.every((name) => models.includes(name)) && (verdict === null || kinds.includes(verdict));
}

const mirrored = (verdict) => ({ win: "loss", loss: "win" })[verdict] ?? verdict ?? "not_judged";

function steps({ place }, step, back) {
  const arrow = (way, sign, text) => element("button", { type: "button", "aria-label": text, title: text, disabled: place[way] === null, onclick: () => step(way) }, sign);
  return element(
    "nav",
    { class: "steps", "aria-label": words.title },
    element("button", { type: "button", class: "quiet back", onclick: back }, "‹ ", words.back),
    element("span", { class: "soft" }, words.place(place.n, place.total)),
    arrow("before", "‹", words.previous),
    arrow("after", "›", words.next),
  );
}

function question(story) {
  const caption = story.caption.trim();
  const why = story.image ? words.imageMissing(story.image) : words.imageNone;
  return element(
    "header",
    { class: story.picture ? "asked pictured" : "asked" },
    story.picture && picture(story.question_id, { alt: caption, large: true }),
    element(
      "div",
      {},
      element("p", { class: "badges" }, badge(words.id(story.question_id)), story.category && badge(story.category, "accent"), story.source && badge(words.source(story.source))),
      element("h2", { class: "instruction", dir: "auto" }, story.instruction),
      element("h3", {}, words.caption),
      element("p", { class: "soft text", dir: "auto" }, caption || words.noCaption),
      !story.picture && element("p", { class: "soft small" }, why),
      story.reference_answer && element("details", {}, element("summary", {}, words.reference), element("p", { class: "text", dir: "auto" }, story.reference_answer)),
    ),
  );
}

/** All pairs as buttons, each with what the judges say of it. */
function pairChips(story, [left, right], choose) {
  const byPair = new Map();
  for (const contest of story.contests) {
    const key = JSON.stringify([contest.model_a, contest.model_b].sort());
    byPair.set(key, [...(byPair.get(key) ?? []), contest]);
  }
  const shown = JSON.stringify([left, right].sort());
  if (byPair.size < 2 && byPair.has(shown)) return null;
  const chip = (key, contests) => {
    const models = [contests[0].model_a, contests[0].model_b];
    const marks = contests.map((contest) => element("i", { class: `mark ${contest.verdict ?? "none"}`, role: "img", ...named(contest) }));
    return element("button", { type: "button", "aria-pressed": String(key === shown), onclick: () => choose(...models) }, element("span", {}, element("bdi", {}, models[0]), " – ", element("bdi", {}, models[1])), marks);
  };
  return element("div", { class: "pairs", role: "group", "aria-label": words.pairs }, [...byPair].map(([key, contests]) => chip(key, contests)));
}

function named(contest) {
  const text = words.judgeSays(contest.judge, outcomeOf(contest.verdict, contest));
  return { title: text, "aria-label": text };
}

function answerCard({ model, text, n_words: nWords }) {
  const body = text === null ? element("p", { class: "soft" }, words.noAnswer) : text.trim() ? element("p", { class: "text", dir: "auto" }, text) : element("p", { class: "soft" }, words.emptyAnswer);
  return element("section", { class: "answer" }, element("h3", {}, element("bdi", {}, model), nWords !== null && element("small", { class: "soft" }, words.nWords(nWords))), body);
}

function people(story, pair) {
  const vote = story.votes.find((each) => pair.includes(each.model_a) && pair.includes(each.model_b));
  if (!vote) return null;
  return element("p", { class: "people" }, element("b", {}, words.people), " ", words.peopleSay(vote), " ", vote.majority && verdictBadge(vote.majority, vote));
}


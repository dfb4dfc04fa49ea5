// How a row came about, step by step: verdicts, match, cluster, exemplars, prompts.

import { badge, readable } from "./badges.js";
import { element } from "./dom.js";

const OUTCOME_TONES = { passed: "good", failed: "bad" };
const unfolded = new Set(["rules", "twin", "match"]); // parts that stand open, from one row to the next

/** The parts of a story that it has, each a <details>. */
export function provenance(story, words) {
  return [
    part("became", words, story.became?.length, () => list(story.became ?? [])),
    part("rules", words, story.rules?.length, () => rules(story.rules, words)),
    part("twin", words, story.twin, () => twin(story.twin)),
    part("match", words, story.match, () => match(story, words)),
    part("cluster", words, story.cluster?.members?.length || story.cluster?.seeds?.length, () => cluster(story, words)),
    part("exemplars", words, story.exemplars?.length, () => exemplars(story.exemplars, words)),
    part("prompt", words, story.prompt?.length || story.reply || story.request?.note, () => asked(story, words)),
    part("described", words, story.description_request ?? story.description_check, () => described(story, words)),
    part("ids", words, true, () => identifiers(story, words)),
  ].filter(Boolean);
}

function part(name, words, isThere, body) {
  if (!isThere) return null;
  const made = element(
    "details",
    { class: "part", dataset: { part: name } },
    element("summary", {}, words.parts[name]),
  );
  const draw = () =>
    made.open && made.childElementCount === 1 && made.append(element("div", { class: "inner" }, body()));
  made.open = unfolded.has(name);
  draw();
  made.addEventListener("toggle", () => {
    if (made.open) unfolded.add(name);
    else unfolded.delete(name);
    draw(); // a long prompt is built once it is looked at
  });
  return made;
}

const list = (texts) =>
  element(
    "ul",
    { class: "texts-list" },
    texts.map((text) => element("li", {}, text)),
  );

/** Each rule's verdict: those that have something to say line by line, the others by their names. */
function rules(found, words) {
  const isPlain = ({ outcome, detail }) => outcome === "passed" && !detail;
  const plain = found.filter(isPlain).map(({ rule }) => badge(readable(rule), "good"));
  const told = found.filter((one) => !isPlain(one));
  const row = ({ rule, outcome, detail }) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, readable(rule)),
      element("td", {}, badge(words.outcomes[outcome] ?? outcome, OUTCOME_TONES[outcome])),
      element("td", {}, detail),
    );
  return [
    told.length > 0 && element("table", { class: "rules" }, element("tbody", {}, told.map(row))),
    plain.length > 0 && [element("h4", {}, words.outcomes.passed), element("p", { class: "badges" }, plain)],
  ];
}

/** The instruction drawn and those that came near it, with a bar for each similarity. */
function match(story, words) {
  const { score, rank, encoder } = story.match;
  const own = { instruction_id: story.instruction?.instruction_id, text: story.item.instruction, score, isOwn: true };
  const others = (story.runners_up ?? []).filter((other) => other.instruction_id !== own.instruction_id);
  const all = [own, ...others].sort((one, other) => other.score - one.score);
  const most = Math.max(...all.map((one) => one.score), 0.01);
  const row = (one) => {
    const bar = element("span", { class: "bar-fill", "aria-hidden": "true" });
    bar.style.width = `${Math.max(0, (100 * one.score) / most)}%`;
    return element(
      "li",
      { class: one.isOwn ? "own" : null },
      element("span", { class: "score" }, one.score.toFixed(3)),
      element("span", {}, one.text, one.isOwn && others.length > 0 && [" ", badge(words.drawn, "accent")], bar),
    );
  };
  return [
    element(
      "p",
      { class: "soft" },
      words.matched(score, rank, encoder),
      others.length > 0 && ` ${words.drawnAtRandom}`,
    ),
    element("ol", { class: "scores" }, all.map(row)),
    story.runners_up_note && element("p", { class: "soft" }, words.noRunnersUp, " ", story.runners_up_note),
  ];
}

function cluster(story, words) {
  const { members = [], seeds = [] } = story.cluster;
  const nSeen = story.instruction?.members_shown_to_the_model?.length ?? members.length; // they come first
  const [seen, others] = [members.slice(0, nSeen), members.slice(nSeen)];
  const n = Math.max(story.instruction?.n_members ?? 0, members.length);
  return [
    seen.length > 0 && [element("h4", {}, words.seen(seen.length, n)), list(seen.map((member) => member.text))],
    others.length > 0 && [element("h4", {}, words.unseen(others.length)), list(others.map((member) => member.text))],
    seeds.length > 0 && [element("h4", {}, words.seeds), list(seeds.map((seed) => seed.text ?? seed))],
  ];
}

/** The answer that this one repeats. */
const twin = (other) => [
  element("h4", {}, other.instruction),
  element("p", { class: "text" }, other.answer),
  element("p", {}, element("a", { href: `/gallery?sample=${encodeURIComponent(other.id)}` }, other.id)),
];

const exemplars = (shown, words) =>
  shown.map((one) => [
    element("h4", {}, one.instruction),
    one.description && element("p", { class: "soft" }, words.exemplarOf(one.description)),
    element("p", { class: "text" }, one.answer),
  ]);

/** The exact prompt, turn by turn, and the reply as it came. */
function asked(story, words) {
  const turns = (story.prompt ?? []).map((turn) => [
    element("h4", {}, words.roles[turn.role] ?? turn.role),
    element("pre", {}, turn.text),
  ]);
  const { prompt, completion } = story.tokens ?? {};
  const model = story.answer?.model ?? story.raw_instruction?.model;
  const facts = [
    model && words.model(model),
    prompt !== undefined && prompt !== null && words.tokens(prompt, completion),
  ];
  return [
    element("p", { class: "soft" }, facts.filter(Boolean).join(" · ")),
    turns,
    story.reply && [element("h4", {}, words.reply), element("pre", {}, story.reply)],
    story.request?.note && element("p", { class: "soft" }, story.request.note),
  ];
}

function described(story, words) {
  return ["description_request", "description_check"]
    .filter((name) => story[name])
    .map((name) => [
      element("h4", {}, words[name]),
      story[name].body && element("pre", {}, JSON.stringify(story[name].body, null, 2)),
      element("pre", {}, story[name].reply ?? story[name].note),
    ]);
}

function identifiers(story, words) {
  const { item, image } = story;
  const ids = [
    item.id,
    item.image_id,
    item.instruction_id,
    story.request?.request_id,
    image?.path,
    image?.content_hash,
  ];
  const names = ["row", "image", "instruction", "request", "path", "hash"];
  const line = (id, index) =>
    id && [element("dt", {}, words.ids[names[index]]), element("dd", {}, element("code", {}, id))];
  return element("dl", { class: "ids" }, ids.map(line));
}

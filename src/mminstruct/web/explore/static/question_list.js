// The list of questions: instruction, thumbnail, and what the judges say of it as one bar.

import { badge } from "./badges.js";
import { stackedBar } from "./figures.js";
import { picture } from "./picture.js";
import { addressOf } from "./place.js";
import { element, fill } from "./shell.js";
import { words } from "./words/questions.js";

const KINDS = { win: "wins", tie: "ties", loss: "losses", inconsistent: "inconsistent", unreadable: "unreadable", not_judged: "not-judged" };

/** Draws the questions; `queryOf(id)` is the query that opens one, `model` the one that verdicts are told of, "" for none. */
export function drawList(place, questions, queryOf, openId, model) {
  fill(place, questions.map((question) => line(question, addressOf(queryOf(question.question_id)), question.question_id === openId, model)));
}

function line(question, href, isOpen, model) {
  const parts = Object.entries(KINDS).map(([kind, drawn]) => ({ n: question.verdicts[kind] ?? 0, kind: drawn, label: words.verdictOf[kind](model) }));
  return element(
    "li",
    { dataset: { id: question.question_id }, "aria-current": isOpen ? "true" : null },
    question.picture && picture(question.question_id),
    element(
      "div",
      {},
      element("a", { href, dir: "auto" }, question.instruction),
      element("p", { class: "badges" }, element("small", { class: "soft" }, question.question_id), question.disagreement.map((kind) => badge(kind === "judges" ? words.byJudges : words.byPeople, "warn"))),
      parts.some(({ n }) => n) && stackedBar(parts),
    ),
  );
}

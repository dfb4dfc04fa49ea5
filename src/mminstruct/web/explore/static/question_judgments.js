// What judges say of a pair on one question: the verdict, and the replies of both orders side by side.

import { badge } from "./badges.js";
import { coded } from "./coded.js";
import { element } from "./shell.js";
import { words } from "./words/questions.js";

/** The judgments of a pair of models, judge by judge; the replies to `pair`'s first model shown first stand on the left. */
export function judgments(story, pair) {
  const contests = story.contests.filter((each) => pair.includes(each.model_a) && pair.includes(each.model_b));
  return element(
    "section",
    { class: "judgments" },
    element("h2", {}, words.judgments),
    contests.length ? contests.map((contest) => judgment(contest, pair)) : element("p", { class: "soft" }, coded(words.noJudgment)),
  );
}

/** A verdict of GET /api/questions/{id} in words, with the winner's name. */
export function outcomeOf(verdict, { model_a: model, model_b: opponent }) {
  return { win: words.wins(model), loss: words.wins(opponent) }[verdict] ?? words.outcomes[verdict];
}

/** The same as a label. */
export const verdictBadge = (verdict, models) =>
  badge(outcomeOf(verdict, models), { win: "accent", loss: "accent", inconsistent: "warn", unreadable: "bad" }[verdict] ?? "plain");

function judgment(contest, pair) {
  const orders = pair.map((first) => [first, contest.orders.find((each) => each.first === first)]);
  return element(
    "section",
    { class: "judgment" },
    element(
      "h3",
      {},
      element("span", { class: "soft" }, words.judge, " "),
      element("bdi", {}, contest.judge),
      verdictBadge(contest.verdict, contest),
      contest.half_tie && element("small", { class: "soft" }, words.halfTie),
    ),
    contest.by_rule ? element("p", { class: "soft" }, words.byRule) : element("div", { class: "two" }, orders.map(([first, reply]) => order(first, reply))),
    contest.others.length > 0 &&
      element("details", { class: "uncounted" }, element("summary", {}, words.otherReplies(contest.others.length)), element("div", { class: "two" }, contest.others.map((reply) => order(reply.first, reply, words.why[reply.why])))),
  );
}

function order(first, reply, why = null) {
  const heading = element("h4", {}, words.shownFirst(first));
  if (!reply) return element("div", { class: "order" }, heading, element("p", { class: "soft" }, words.notAsked));
  const facts = [words.saw[reply.sees] ?? reply.sees, reply.ask > 1 && words.asked(reply.ask), why].filter(Boolean).join(" · ");
  return element(
    "div",
    { class: "order" },
    element("header", {}, heading, says(reply)),
    element("pre", { class: "reply", dir: "auto" }, reply.reply),
    element("p", { class: "soft small" }, facts),
  );
}

function says({ letter, says: model }) {
  if (letter === null) return badge(words.saysNothing, "bad");
  return badge(letter === "C" ? words.saysNeither : words.saysModel(model), letter === "C" ? "plain" : "accent", letter);
}

// What is known of a judge itself: position bias, traps, agreement.

import { decimal, interval, percent, shares, whiskers } from "./figures.js";
import { element, number } from "./shell.js";
import { words } from "./words/leaderboard.js";

/** The panel on a JudgeReport. */
export function judgePart(judge) {
  return element(
    "section",
    { class: "panel" },
    element("h2", {}, words.trust),
    element("div", { class: "trust" }, measures(judge), agreements(judge)),
  );
}

function measures(judge) {
  const ofPosition = [
    [words.positionConsistency, words.positionConsistencyNote, judge.position_consistency, judge.position_consistency_low, judge.position_consistency_high, null],
    [words.firstPreference, words.firstPreferenceNote, judge.first_position_preference, judge.first_position_preference_low, judge.first_position_preference_high, 0.5],
  ];
  const ofTraps = judge.traps.map((trap) => [
    words.trapKinds[trap.kind] ?? trap.kind,
    words.wrong(trap.errors, trap.n),
    trap.error_rate,
    trap.ci_low,
    trap.ci_high,
    null,
  ]);
  return element(
    "div",
    {},
    table(ofPosition),
    element("h3", {}, words.traps),
    judge.traps.length ? table(ofTraps) : element("p", { class: "soft" }, words.noTraps),
  );
}

const table = (rows) =>
  element(
    "table",
    { class: "measures" },
    element(
      "thead",
      { class: "visually-hidden" },
      element("tr", {}, element("th", { scope: "col" }, words.measure), element("td"), element("th", { scope: "col" }, words.percent)),
    ),
    element("tbody", {}, rows.map(measure)),
  );

const measure = ([name, note, value, low, high, even]) =>
  element(
    "tr",
    {},
    element("th", { scope: "row" }, name, element("small", {}, note)),
    element("td", { class: "chart" }, whiskers(shares, [{ value, low, high }], { even })),
    element("td", { class: "number" }, element("b", {}, percent(value)), element("small", {}, interval(low, high))),
  );

function agreements(judge) {
  const withPeople = judge.agreements.some((each) => each.other === "human votes");
  const head = [words.agreement, words.compared, words.sameWinner, words.kappa, words.alpha];
  return element(
    "div",
    {},
    element("h3", {}, words.agreement),
    !withPeople && element("p", { class: "soft" }, words.noVotes),
    judge.agreements.length > 0 &&
      element(
        "div",
        { class: "scrolls", tabindex: 0, role: "region", "aria-label": words.agreement },
        element(
          "table",
          { class: "agreements" },
          element("thead", {}, element("tr", {}, head.map((text, index) => element("th", { scope: "col", class: index ? "number" : null }, index ? text : "")))),
          element("tbody", {}, judge.agreements.map((each) => agreement(each, judge.judge))),
        ),
      ),
  );
}

function agreement(each, judge) {
  const two = (value) => decimal(value, 2);
  const figure = (value, low, high, write) => element("td", { class: "number" }, element("b", {}, write(value)), value !== null && element("small", {}, interval(low, high, write)));
  return element(
    "tr",
    {},
    element("th", { scope: "row" }, nameOf(each.other, judge)),
    element("td", { class: "number" }, number(each.n)),
    figure(each.accuracy, each.accuracy_low, each.accuracy_high, percent),
    figure(each.kappa, each.kappa_low, each.kappa_high, two),
    figure(each.alpha, each.alpha_low, each.alpha_high, two),
  );
}

function nameOf(other, judge) {
  if (other === "human votes") return words.withPeople;
  return other === judge ? words.withItself : words.withJudge(other);
}

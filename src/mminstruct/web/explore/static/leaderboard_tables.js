// The leaderboard's tables: ratings with their chart, all against all, and pairs with raw beside length-controlled rates.

import { axis, axisLabels, decimal, interval, percent, shares, stackedBar, svg, whiskers } from "./figures.js";
import { element, number, withQuery } from "./shell.js";
import { words } from "./words/leaderboard.js";

const KINDS = ["wins", "ties", "losses", "inconsistent", "unreadable"];

/** Models with their ratings, the best first; without ratings, the models alone. */
export function rankTable(ratings, models) {
  const summaries = new Map(models.map((model) => [model.model, model]));
  const sorted = [...ratings].sort((one, other) => one.group - other.group || other.rating - one.rating);
  const grouped = new Set(ratings.map((rating) => rating.group)).size > 1;
  const unrated = models.filter((model) => !ratings.some((rating) => rating.model === model.model));
  const scale = scaleOf(sorted);
  const heads = [[words.rank], [words.model], grouped && [words.group], scale && ["", "chart"], scale && [words.rating, "number"], scale && [words.interval, "number"], scale && [words.comparisons, "number"], [words.meanWords, "number"], [words.answers, "number"]];
  const rows = [...sorted.map((rating) => [rating, summaries.get(rating.model)]), ...unrated.map((model) => [null, model])];
  return element(
    "section",
    { class: "panel" },
    element("h2", {}, scale ? words.ratings : words.models),
    element("p", { class: "soft" }, scale ? words.ratingsNote : words.modelsNote, grouped && ` ${words.groups}`),
    element(
      "table",
      { class: "ranks" },
      element("thead", {}, element("tr", {}, heads.filter(Boolean).map(([text, kind]) => element(text ? "th" : "td", { class: kind, scope: text && "col" }, text)))),
      element("tbody", {}, rows.map(([rating, model]) => rankRow(rating, model, scale, grouped))),
      scale && element("tfoot", {}, element("tr", {}, element("td", { colspan: grouped ? 3 : 2 }), element("td", { class: "chart" }, axisLabels(scale, (tick) => decimal(tick, 0))), element("td", { colspan: 5 }))),
    ),
  );
}

function rankRow(rating, model, scale, grouped) {
  const ofRating = rating && [
    cell("chart", "", whiskers(scale, [{ value: rating.rating, low: rating.ci_low, high: rating.ci_high }])),
    cell("number strong", words.rating, decimal(rating.rating, 0)),
    cell("number soft", words.interval, interval(rating.ci_low, rating.ci_high, (value) => decimal(value, 0))),
    cell("number", words.comparisons, number(rating.n_comparisons)),
  ];
  return element(
    "tr",
    {},
    cell("rank", words.rank, rating ? words.ranks(rating.rank_low, rating.rank_high) : "–"),
    element("th", { scope: "row", class: "name" }, element("bdi", {}, rating?.model ?? model.model)),
    grouped && cell("", words.group, rating ? String(rating.group + 1) : "–"),
    scale && (ofRating ?? [element("td", { class: "chart" }), ...Array.from({ length: 3 }, () => cell("number", "", "–"))]),
    cell("number", words.meanWords, decimal(model?.mean_words ?? null, 1)),
    cell("number", words.answers, model ? number(model.n_answers) : "–", model && lacking(model)),
  );
}

function lacking(model) {
  const said = [model.n_missing && words.missing(model.n_missing), model.n_empty && words.empty(model.n_empty)].filter(Boolean);
  return said.length > 0 && element("small", {}, said.join(", "));
}

function scaleOf(ratings) {
  const ends = ratings.flatMap((each) => [each.rating, each.ci_low, each.ci_high]).filter((end) => end !== null);
  return ends.length ? axis(Math.min(...ends), Math.max(...ends)) : null;
}

/** Win rates of every row's model against every column's; each cell leads to its questions. */
export function matrixTable({ models, rows }, judge) {
  const head = element("tr", {}, element("td"), models.map((model) => element("th", { scope: "col" }, element("bdi", {}, model))));
  const row = (model, index) =>
    element("tr", {}, element("th", { scope: "row", class: "name" }, element("bdi", {}, model)), rows[index].map((one, column) => matrixCell(one, model, models[column], judge)));
  return element(
    "section",
    { class: "panel" },
    element("h2", {}, words.matrix),
    element("p", { class: "soft" }, words.matrixNote),
    element("div", { class: "scrolls", tabindex: 0, role: "region", "aria-label": words.matrix }, element("table", { class: "matrix" }, element("thead", {}, head), element("tbody", {}, models.map(row)))),
  );
}

function matrixCell(one, model, opponent, judge) {
  if (one === null) return element("td", { class: "none" }, model === opponent ? "" : "–");
  const ends = interval(one.low, one.high);
  const rate = percent(one.win_rate);
  const made = element(
    "td",
    {},
    element("a", { href: questionsOf(model, opponent, judge), "aria-label": words.against(model, opponent, rate, ends) }, element("b", {}, rate), element("small", {}, ends)),
  );
  // How far from even, as a share of the colour: blue is won, orange is lost.
  made.style.setProperty("--strength", `${Math.round(Math.abs(one.win_rate - 0.5) * 120)}%`);
  made.classList.add(one.win_rate >= 0.5 ? "won" : "lost");
  return made;
}

/** Each pair with its win rate as judged beside the one at equal length. */
export function pairTable(pairs, judge) {
  if (!pairs.length) return element("section", { class: "panel" }, element("h2", {}, words.pairs), element("p", { class: "soft" }, words.noPairs));
  const heads = [[words.pair], ["", "chart"], [words.winRate, "number"], [words.lengthControlled, "number"], [words.verdicts, "bar"], [words.consistency, "number"], [words.wordsOfBoth, "number"]];
  return element(
    "section",
    { class: "panel" },
    element("h2", {}, words.pairs),
    element("p", { class: "soft" }, words.pairsNote),
    legend(),
    element(
      "table",
      { class: "pairs" },
      element("thead", {}, element("tr", {}, heads.map(([text, kind]) => element(text ? "th" : "td", { class: kind, scope: text && "col" }, text || axisLabels(shares, (tick) => decimal(100 * tick, 0)))))),
      element("tbody", {}, pairs.map((pair) => pairRow(pair, judge))),
    ),
  );
}

function pairRow(pair, judge) {
  const marks = [
    { value: pair.win_rate, low: pair.ci_low, high: pair.ci_high },
    { value: pair.length_controlled, low: pair.length_controlled_low, high: pair.length_controlled_high, kind: "controlled" },
  ];
  const names = element("a", { href: questionsOf(pair.model_a, pair.model_b, judge) }, element("bdi", {}, pair.model_a));
  return element(
    "tr",
    {},
    element("th", { scope: "row", class: "name" }, names, element("small", {}, words.versus, " ", element("bdi", {}, pair.model_b))),
    cell("chart", "", whiskers(shares, marks, { even: 0.5 })),
    cell("number", words.winRate, element("b", {}, percent(pair.win_rate)), element("small", {}, interval(pair.ci_low, pair.ci_high))),
    cell("number", words.lengthControlled, element("b", {}, percent(pair.length_controlled)), element("small", {}, interval(pair.length_controlled_low, pair.length_controlled_high))),
    cell("bar", words.verdicts, verdictBar(pair)),
    cell("number", words.consistency, percent(pair.position_consistency)),
    cell("number", words.wordsOfBoth, decimal(pair.mean_words_a, 0), element("small", {}, decimal(pair.mean_words_b, 0))),
  );
}

function verdictBar(pair) {
  const counts = KINDS.filter((kind) => pair[kind]).map((kind) => words.counted[kind](pair[kind]));
  if (pair.not_judged) counts.push(words.notJudged(pair.not_judged));
  return [stackedBar(KINDS.map((kind) => ({ n: pair[kind], kind, label: words.kinds[kind] }))), element("small", {}, counts.join(", "))];
}

function legend() {
  const sign = (drawing, text) => element("span", {}, svg("svg", { class: "whiskers", width: 14, height: 14, "aria-hidden": "true" }, drawing), text);
  const swatch = (kind) => element("span", {}, svg("svg", { class: "stacked", width: 12, height: 12, "aria-hidden": "true" }, svg("rect", { class: kind, width: 12, height: 12 })), words.kinds[kind]);
  return element(
    "p",
    { class: "legend soft" },
    sign(svg("circle", { cx: 7, cy: 7, r: 4.5 }), words.raw),
    sign(svg("path", { class: "diamond", d: "M1.5 7L7 1.5 12.5 7 7 12.5z" }), words.controlled),
    KINDS.map(swatch),
  );
}

/** A cell that says its column's name itself where the table is too narrow for columns. */
const cell = (kind, label, ...children) => element("td", { class: kind, dataset: label ? { label } : {} }, children);

const questionsOf = (model, against, judge) => withQuery("/questions", { model, against, judge });

// The leaderboard: what `bench report` says of the benchmark as it is now. All figures come from GET /api/leaderboard.

import { coded } from "./coded.js";
import { judgePart } from "./leaderboard_judge.js";
import { matrixTable, pairTable, rankTable } from "./leaderboard_tables.js";
import { changed, go, here } from "./place.js";
import { api, element, emptiness, fill, main, openShell, problem, withQuery } from "./shell.js";
import { words } from "./words/leaderboard.js";

const WAIT_MS = 1000; // between two looks whether figures that take long are there

const about = await openShell("leaderboard", words.title);
main().classList.add("leaderboard");
let found = null;
let drawn = null; // the answer that stands there, as JSON
window.addEventListener("popstate", () => found?.report && draw(found));
load();

async function load() {
  try {
    found = await api("/api/leaderboard");
  } catch (error) {
    drawn = null;
    fill(main(), problem(error, load));
    return;
  }
  const told = JSON.stringify(found);
  if (told !== drawn) {
    drawn = told; // what is unfolded stays so while newer figures are computed
    if (found.report) draw(found);
    else fill(main(), element("p", { class: "waiting soft", role: "status" }, words.computing));
  }
  if (found.state === "computing") setTimeout(load, WAIT_MS);
}

function draw({ state, report, matrices }) {
  const judge = report.judges.find((each) => each.judge === here().get("judge")) ?? report.judges[0];
  fill(
    main(),
    element(
      "header",
      { class: "top" },
      element("div", {}, element("h1", {}, words.title), element("p", { class: "soft" }, words.facts(report))),
      report.judges.length > 1 && judgeChoice(report.judges, judge),
    ),
    state === "computing" && element("p", { class: "soft", role: "status" }, words.updating),
    judge ? ofJudge(judge, report, matrices[judge.judge]) : withoutJudge(report),
    report.notes.length > 0 && section(words.notes, element("ul", { class: "notes" }, report.notes.map((note) => element("li", {}, coded(note))))),
  );
}

function ofJudge(judge, report, matrix) {
  const pairs = report.pairs.filter((pair) => pair.judge === judge.judge);
  const ratings = report.ratings.filter((rating) => rating.judge === judge.judge);
  return [
    doubts(judge),
    rankTable(ratings, report.models),
    matrix && matrixTable(matrix, judge.judge),
    pairTable(pairs, judge.judge),
    judgePart(judge),
    examples(report),
  ];
}

function withoutJudge(report) {
  if (!report.models.length) return emptiness(words.noModels, coded(words.noModelsWhy));
  const arena = about.views.includes("arena") && element("a", { class: "button", href: "/arena" }, words.toArena);
  return [emptiness(words.noJudge, coded(words.noJudgeWhy), arena), rankTable([], report.models)];
}

function judgeChoice(judges, chosen) {
  const select = element("select", { id: "judge" }, judges.map(({ judge }) => element("option", { value: judge, selected: judge === chosen.judge }, judge)));
  select.addEventListener("change", () => go(changed(here(), { judge: select.value })));
  return element("label", { class: "choice", for: "judge" }, element("span", { class: "soft" }, words.judge), select);
}

/** What speaks against the judge stands before its figures. */
function doubts(judge) {
  const saw = words.saw[judge.sees] ?? words.sawBoth(judge.sees);
  const facts = element("p", { class: "soft" }, `${saw} ${words.replies(judge.n_replies, judge.n_unreadable_replies)}`);
  const name = element("h2", {}, words.judge, " ", element("bdi", {}, judge.judge));
  if (!judge.warnings.length) return element("section", { class: "panel doubts" }, name, facts, element("p", { class: "soft" }, words.noDoubts));
  return element(
    "section",
    { class: "panel doubts bad" },
    name,
    facts,
    element("p", {}, element("strong", {}, words.doubts(judge.warnings.length))),
    element("ul", {}, judge.warnings.map((warning) => element("li", {}, warning))),
  );
}

function examples({ most_different: different, disagreements }) {
  if (!different.length && !disagreements.length) return null;
  return section(words.look, element("div", { class: "trust" }, list(words.mostDifferent, different), list(words.disagreements, disagreements)));
}

function list(heading, questions) {
  if (!questions.length) return null;
  const line = (each) =>
    element("li", {}, element("a", { href: withQuery("/questions", { id: each.question_id }), dir: "auto" }, each.instruction), element("span", { class: "soft" }, each.why));
  return element("div", {}, element("h3", {}, heading), element("ul", { class: "links" }, questions.map(line)));
}

const section = (heading, ...children) => element("section", { class: "panel" }, element("h2", {}, heading), children);

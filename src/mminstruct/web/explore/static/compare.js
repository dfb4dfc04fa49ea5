// What another run made of the same image, field by field beside this run's row, with the words that differ marked.

import { readable } from "./badges.js";
import { wordDifferences } from "./differences.js";
import { api, element, fill, problem } from "./shell.js";
import { words } from "./words/compare.js";

const FIELDS = ["status", "reason", "description", "instruction", "category", "answer", "score", "model"];

/** A section to choose another run in; the choice holds from one row to the next. */
export function compareSection(story, about) {
  const section = element("section", { class: "compare", "aria-label": words.title });
  const runs = about.other_runs ?? [];
  if (!runs.length)
    return fill(section, element("h3", {}, words.title), element("p", { class: "soft" }, words.noOtherRun));
  const result = element("div", { class: "scrolls", "aria-live": "polite" });
  const select = element("select", { id: "other-run" }, [
    element("option", { value: "" }, words.chooseNone),
    runs.map(({ name }) => element("option", { value: name }, name)),
  ]);
  select.value = compareSection.chosen ?? "";
  const show = async () => {
    const run = select.value;
    compareSection.chosen = run;
    const shown = run ? await told(story.item.id, run, show) : null;
    if (run === select.value) fill(result, shown); // else another run was chosen since
  };
  select.addEventListener("change", show);
  if (select.value) show();
  fill(
    section,
    element(
      "div",
      { class: "choose" },
      element("h3", {}, words.title),
      element("label", { for: "other-run", class: "visually-hidden" }, words.run),
      select,
    ),
    result,
  );
  return section;
}

async function told(id, run, again) {
  try {
    return differencesOf(await api("/api/compare", { query: { id, run } }));
  } catch (error) {
    return problem(error, again);
  }
}

function differencesOf({ run, mine, theirs }) {
  if (!theirs.length) return element("p", { class: "soft" }, words.notThere(run));
  return theirs.map((other) => table(run, mine, other));
}

function table(run, mine, theirs) {
  const isThere = (field) =>
    [mine[field], theirs[field]].some((value) => value !== null && value !== undefined && value !== "");
  const head = ["", words.mine, run].map((text) => element("th", { scope: "col" }, text));
  return element(
    "table",
    {},
    element("thead", {}, element("tr", {}, head)),
    element(
      "tbody",
      {},
      FIELDS.filter(isThere).map((field) => row(field, mine[field], theirs[field])),
    ),
  );
}

function row(field, mine, theirs) {
  const [left, right] = [textOf(field, mine), textOf(field, theirs)];
  const name = element("th", { scope: "row" }, words.fields[field]);
  if (left === right)
    return element("tr", {}, name, element("td", {}, left), element("td", { class: "soft" }, words.same));
  const parts = wordDifferences(left, right);
  const side = (kept, tag) =>
    parts.filter(({ kind }) => kind === "both" || kind === kept).map((part) => marked(part, tag));
  return element("tr", {}, name, element("td", {}, side("left", "del")), element("td", {}, side("right", "ins")));
}

/** A piece of text, in `tag` where the other side lacks it; the space before it is not marked. */
function marked({ kind, text }, tag) {
  const words = text.trimStart();
  return kind === "both" ? text : [text.slice(0, text.length - words.length), element(tag, {}, words)];
}

function textOf(field, value) {
  if (value === null || value === undefined) return "";
  if (field === "status" || field === "reason") return readable(value);
  return typeof value === "number" ? value.toFixed(3) : String(value);
}

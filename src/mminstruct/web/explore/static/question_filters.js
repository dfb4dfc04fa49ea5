// The question browser's filters: one list a filter, each value with the number of questions that it would leave.

import { element, fill } from "./shell.js";
import { words } from "./words/questions.js";

const ORDER = ["instruction", "category", "judge", "model", "against", "verdict", "disagreement"];
const VERDICTS = ["win", "loss", "tie", "inconsistent", "unreadable", "not_judged"];

/** Draws the filters of an answer of GET /api/questions; `change({name: value or null})` sets one. */
export function drawFilters(place, found, filters, change) {
  const focused = place.contains(document.activeElement) ? document.activeElement.id : null;
  fill(place, ORDER.map((name) => field(name, valuesOf(name, found, filters), filters.get(name), change)));
  if (focused) document.getElementById(focused)?.focus();
}

/** The values of a filter as `{value, label}`; empty where there is nothing to choose. */
function valuesOf(name, { facets, models }, filters) {
  if (name === "model" || name === "against") return models.length > 1 ? models.map((model) => ({ value: model, label: model })) : [];
  const counts = facets[name];
  if (name === "verdict") return verdictValues(counts, filters);
  if (name === "disagreement") return counts.map(({ value, n }) => ({ value, label: words.counted(words.disagreements[value], n) }));
  const chosen = filters.has(name);
  return counts.length > 1 || chosen ? counts.map(({ value, label, n }) => ({ value, label: words.counted(label, n) })) : [];
}

function verdictValues(counts, filters) {
  const n = new Map(counts.map((each) => [each.value, each.n]));
  const model = filters.get("model") ?? "";
  const told = VERDICTS.filter((verdict) => n.has(verdict) || filters.get("verdict") === verdict);
  return told.map((verdict) => ({ value: verdict, label: words.counted(words.verdictOf[verdict](model), n.get(verdict) ?? 0) }));
}

function field(name, values, chosen, change) {
  if (!values.length && chosen === null) return null;
  const known = chosen === null || values.some(({ value }) => value === chosen);
  const all = known ? values : [...values, { value: chosen, label: chosen }];
  const options = all.map(({ value, label }) => element("option", { value, selected: value === chosen }, label));
  const select = element("select", { id: `filter-${name}` }, element("option", { value: "" }, words.any), options);
  select.addEventListener("change", () => change({ [name]: select.value || null }));
  return element("label", { class: chosen === null ? "field" : "field set", for: select.id }, element("span", {}, words.fields[name]), select);
}

// The filter bar: every value with the number of rows that it would leave, and two histograms to take a range from.

import { readable } from "./badges.js";
import { element, fill, number } from "./shell.js";
import { here, others } from "./place.js";
import { drawRange } from "./range.js";
import { words } from "./words/filters.js";

const N_SHOWN = 7; // values of a facet before "show all"
const LISTS = ["status", "reason", "category", "source", "instruction"];
const DECISIONS = ["none", "keep", "edit", "drop"].map((value) => ({ value, label: value, n: null })); // not counted
const RANGES = ["score", "words"];

const unfolded = new Set(); // facets of which all values are shown
const sought = new Map(); // facet → what is typed into its own little search field

/**
 * Draws all facets (GET /api/facets) into `place`; `filters` is what is chosen now.
 *
 * `change` is called with the filters that a click sets: `{category: ["write", "plan"]}`, `{score_min: "0.4"}`.
 */
export function drawFilters(place, facets, filters, change) {
  const focused = document.activeElement?.closest(".facets [data-focus]")?.dataset.focus;
  const redraw = () => drawFilters(place, facets, filters, change);
  fill(
    place,
    facetOf("status", facets, filters, change, redraw),
    RANGES.map((name) => drawRange(name, facets[name], filters, change)),
    LISTS.slice(1).map((name) => facetOf(name, facets, filters, change, redraw)),
    facetOf("decision", { decision: DECISIONS }, filters, change, redraw),
  );
  if (focused) place.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus();
}

function facetOf(name, facets, filters, change, redraw) {
  const chosen = filters.getAll(name);
  const values = withChosen(facets[name] ?? [], chosen);
  if (!values.length) return null;
  const typed = (sought.get(name) ?? "").toLowerCase();
  const fitting = values.filter((value) => labelOf(name, value).toLowerCase().includes(typed));
  const isWhole = unfolded.has(name) || typed !== "";
  const shown = isWhole ? fitting : fitting.filter((value, index) => index < N_SHOWN || chosen.includes(value.value));
  const most = Math.max(1, ...values.map((value) => value.n));
  return element(
    "fieldset",
    { class: "facet" },
    element("legend", {}, words.facets[name]),
    values.length > 2 * N_SHOWN && seeker(name, redraw),
    shown.map((value) => line(name, value, most, chosen, change)),
    values.length > N_SHOWN && !typed && unfolder(name, values.length, redraw),
  );
}

/** One value: a box to tick, its name, a bar as long as its share, the count. */
function line(name, value, most, chosen, change) {
  const ticked = chosen.includes(value.value);
  const box = element("input", { type: "checkbox", checked: ticked, dataset: { focus: `${name}:${value.value}` } });
  box.addEventListener("change", () => {
    // By the address, not by what is drawn: an earlier tick may still wait for its counts.
    const rest = others(here(), name, value.value);
    change({ [name]: box.checked ? [...rest, value.value] : rest });
  });
  const label = labelOf(name, value);
  return element(
    "label",
    { class: "value", title: label },
    box,
    element("span", { class: "label" }, label),
    value.n !== null && [element("span", { class: "n" }, number(value.n)), shareOf(value.n, most)],
  );
}

function shareOf(n, most) {
  const bar = element("span", { class: "share", "aria-hidden": "true" });
  bar.style.width = `${(100 * n) / most}%`;
  return bar;
}

function seeker(name, redraw) {
  const field = element("input", {
    type: "text",
    class: "seeker",
    "aria-label": words.seek(words.facets[name]),
    placeholder: words.seek(words.facets[name]),
    value: sought.get(name) ?? "",
    dataset: { focus: `seek:${name}` },
  });
  field.addEventListener("input", () => {
    sought.set(name, field.value);
    const at = field.selectionStart;
    redraw();
    document.activeElement?.setSelectionRange?.(at, at);
  });
  return field;
}

function unfolder(name, n, redraw) {
  const act = () => {
    if (!unfolded.delete(name)) unfolded.add(name);
    redraw();
  };
  const text = unfolded.has(name) ? words.showFewer : words.showAll(n);
  return element(
    "button",
    { type: "button", class: "quiet small", dataset: { focus: `all:${name}` }, onclick: act },
    text,
  );
}

/** The facet's values, and those that are chosen although no row has them beside the other filters. */
function withChosen(values, chosen) {
  const known = new Set(values.map((value) => value.value));
  return [...values, ...chosen.filter((value) => !known.has(value)).map((value) => ({ value, label: value, n: 0 }))];
}

/** How a value is called: codes of ours as words, the collection's own names as they are. */
export function labelOf(name, value) {
  if (name === "status") return words.statuses[value.value] ?? value.label;
  if (name === "decision") return words.decisions[value.value] ?? value.value;
  return ["reason", "stage"].includes(name) ? readable(value.label) : value.label || words.unnamed;
}

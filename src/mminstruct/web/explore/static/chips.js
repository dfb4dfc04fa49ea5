// What is filtered by now, one chip each, with a cross that takes it away.

import { labelOf } from "./filters.js";
import { element, fill } from "./shell.js";
import { FILTERS, here, others } from "./place.js";
import { words } from "./words/filters.js";

const RANGED = /^(score|words)_(min|max)$/;

/** Draws the chips of `filters` into `place`; the facets give a value its name. `change` as for drawFilters. */
export function drawChips(place, facets, filters, change) {
  const chips = FILTERS.flatMap((name) =>
    filters.getAll(name).map((value) =>
      // By the address, not by what is drawn: an earlier click may still wait for its answer.
      chip(textOf(name, value, facets), () => change({ [name]: others(here(), name, value) })),
    ),
  );
  const all = () => change(Object.fromEntries(FILTERS.map((name) => [name, null])));
  const clear = element("button", { type: "button", class: "quiet small", onclick: all }, words.clearAll);
  fill(place, chips, chips.length > 1 && clear);
}

function chip(text, act) {
  const label = element("span", {}, text);
  return element(
    "button",
    { type: "button", class: "chip", title: words.remove(text), "aria-label": words.remove(text), onclick: act },
    label,
    "×",
  );
}

function textOf(name, value, facets) {
  if (name === "selection") return words.selection(facets.selection?.n ?? null);
  if (name === "q") return words.sought(value);
  const ranged = RANGED.exec(name);
  if (ranged) return words.bounds[ranged[2]](words.facets[ranged[1]], value);
  const known = facets[name]?.find?.((one) => one.value === value);
  return words.chip(words.facets[name], labelOf(name, known ?? { value, label: value }));
}

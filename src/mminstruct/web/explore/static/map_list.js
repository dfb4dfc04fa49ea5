// The map's groups as a table: the same for who cannot see or draw it.

import { countsOf, isNothing, orderOf } from "./map_colours.js";
import { labelOf } from "./map_legend.js";
import { element, fill, number } from "./shell.js";
import { words } from "./words/map.js";

/** Fills `place` with the groups of a map; the first of its columns of colours is what the groups are made by. */
export function drawList(place, which, map) {
  const [name, column] = Object.entries(map.colours)[0];
  const second = map.colours[which === "samples" ? "status" : "kind"];
  const bad = countWhere(column, second, "rejected");
  const counts = countsOf(column);
  const categories = firstOf(column, map.colours.category);
  const rows = orderOf(column).map((code) => {
    const label = labelOf(name, column, code);
    const linked = column.ids[code] && !isNothing(column, code);
    const shown = linked
      ? element("a", { href: `/gallery?instruction=${encodeURIComponent(column.ids[code])}` }, label)
      : label;
    const cells = [number(counts[code]), number(bad[code])].map((text) => element("td", { class: "number" }, text));
    return element("tr", {}, element("td", {}, shown), element("td", {}, categories[code]), cells);
  });
  const heads = [words.columns.instruction, words.columns.category, words.columns.n, words.columns.rejected];
  const head = element(
    "tr",
    {},
    heads.map((text, at) => element("th", { scope: "col", class: at > 1 ? "number" : null }, text)),
  );
  const table = element("table", {}, element("thead", {}, head), element("tbody", {}, rows));
  fill(place, element("summary", {}, words.list[which]), element("div", { class: "scrolls" }, table));
}

function countWhere(column, other, value) {
  const wanted = other.values.indexOf(value);
  const counts = new Array(column.values.length).fill(0);
  column.codes.forEach((code, at) => (counts[code] += other.codes[at] === wanted));
  return counts;
}

function firstOf(column, other) {
  const found = new Array(column.values.length).fill("");
  column.codes.forEach((code, at) => (found[code] ||= other.values[other.codes[at]]));
  return found;
}

// What the colours mean: an entry for each value, to switch its points off and on; for a number, its range.

import { countsOf, coloursOf, gradient, isNothing, orderOf } from "./map_colours.js";
import { element, fill, number } from "./shell.js";
import { words } from "./words/map.js";
import { words as badgeWords } from "./words/badges.js";

const SEEKS_FROM = 12; // entries

/** Fills `place` with a column's entries; `off` is the set of codes switched off, `change()` hears of each change. */
export function drawLegend(place, name, column, off, change) {
  const [counts, colours, order] = [countsOf(column), coloursOf(column), orderOf(column)];
  const boxes = new Map();
  const list = element("ul", { class: "entries" });
  const reflect = () => {
    for (const [code, box] of boxes) box.checked = !off.has(code);
    all.hidden = !off.size;
    change();
  };
  const all = element(
    "button",
    { type: "button", class: "small", hidden: !off.size, onclick: () => (off.clear(), reflect()) },
    words.all,
  );
  for (const code of order) {
    const box = element("input", { type: "checkbox", checked: !off.has(code) });
    boxes.set(code, box);
    box.addEventListener("change", () => (box.checked ? off.delete(code) : off.add(code), reflect()));
    const only = () => (order.forEach((other) => other !== code && off.add(other)), off.delete(code), reflect());
    list.append(entry(labelOf(name, column, code), box, colours[code], counts[code], only));
  }
  const seek = order.length > SEEKS_FROM && seeker(list);
  fill(place, element("div", { class: "legend-head" }, element("h2", {}, words.legend), all), seek, list);
}

/** Fills `place` with the range of a number. */
export function drawRange(place, low, high) {
  const bar = element("div", {
    class: "ramp",
    role: "img",
    "aria-label": words.scoreRange(low.toFixed(2), high.toFixed(2)),
  });
  bar.style.background = gradient();
  const ends = element(
    "div",
    { class: "ramp-ends" },
    element("span", {}, low.toFixed(2)),
    element("span", {}, high.toFixed(2)),
  );
  fill(place, element("div", { class: "legend-head" }, element("h2", {}, words.legend)), bar, ends);
}

/** What a value is called. */
export function labelOf(name, column, code) {
  const value = column.values[code];
  if (isNothing(column, code)) return words.none[name] ?? words.none.default;
  if (name === "cluster") return column.ids[code] ? value : words.numbered(value);
  if (name === "kind") return words.kinds[value] ?? value;
  if (name === "status") return badgeWords.statuses[value] ?? value;
  return name === "reason" ? value.replaceAll("_", " ") : value;
}

function entry(label, box, colour, count, only) {
  const swatch = element("span", { class: "swatch", "aria-hidden": "true" });
  swatch.style.background = colour;
  const text = element("span", { class: "label", title: label }, label);
  return element(
    "li",
    { dataset: { label: label.toLowerCase() } },
    element("label", {}, box, swatch, text, element("span", { class: "n" }, number(count))),
    element(
      "button",
      {
        type: "button",
        class: "quiet only",
        title: words.only,
        "aria-label": `${words.only}: ${label}`,
        onclick: only,
      },
      "◎",
    ),
  );
}

function seeker(list) {
  const field = element("input", {
    type: "search",
    class: "seeker",
    "aria-label": words.seek,
    placeholder: words.seek,
  });
  field.addEventListener("input", () => {
    const wanted = field.value.trim().toLowerCase();
    for (const line of list.children) line.hidden = !line.dataset.label.includes(wanted);
  });
  return field;
}

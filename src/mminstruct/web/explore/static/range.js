// A histogram with two sliders under it: the lower and the upper end of what is shown.

import { debounced, element, number } from "./shell.js";
import { words } from "./words/filters.js";

const STEPS = { score: 0.01, words: 1 };
const HEIGHT = 36; // of the histogram, in its own units; CSS stretches it
const PAUSE_MS = 150; // an arrow key that is held down is one change

const moved = new Map(); // name → {low, high}: set by hand, and not in the address yet
const settle = Object.fromEntries(Object.keys(STEPS).map((name) => [name, debounced((act) => act(), PAUSE_MS)]));

/** The fieldset of `name`, "score" or "words"; null where no row has one. `facet` is {min, max, bins}. */
export function drawRange(name, facet, filters, change) {
  if (!facet?.bins?.length || facet.min === null) return null;
  const step = STEPS[name];
  const ends = { min: Math.floor(facet.min / step) * step, max: Math.ceil(facet.max / step) * step };
  // Counts that come while the hand moves draw the sliders anew: where the hand has set them.
  const chosen = moved.get(name) ?? {
    low: Number(filters.get(`${name}_min`) ?? ends.min),
    high: Number(filters.get(`${name}_max`) ?? ends.max),
  };
  if (ends.max <= ends.min && !filters.has(`${name}_min`) && !filters.has(`${name}_max`)) return null;
  const bounds = { min: Math.min(ends.min, chosen.low), max: Math.max(ends.max, chosen.high) };
  const drawing = histogram(facet, bounds);
  const told = element("output", { class: "soft" });
  const [low, high] = ["low", "high"].map((end) => slider(name, end, bounds, step, chosen[end]));
  const tell = () => tellRange(name, low, high, told, drawing);
  const settled = () => settle[name](() => take(name, ends, change));
  for (const slide of [low, high]) {
    slide.addEventListener("input", () => {
      moved.set(name, { low: Number(low.value), high: Number(high.value) });
      tell();
    });
    slide.addEventListener("change", settled);
  }
  tell();
  if (moved.has(name)) settled(); // the mouse that held the old slider will not say that it let go
  return element(
    "fieldset",
    { class: "facet range" },
    element("legend", {}, words.facets[name]),
    told,
    drawing,
    element("div", { class: "sliders" }, low, high),
  );
}

/** Writes the range beside the sliders, and greys what is outside of it. */
function tellRange(name, low, high, told, drawing) {
  const { from, to } = inOrder({ low: Number(low.value), high: Number(high.value) });
  told.value = words.range(shown(name, from), shown(name, to));
  const half = STEPS[name] / 2;
  for (const bar of drawing.children)
    bar.classList.toggle("out", bar.dataset.to < from - half || bar.dataset.from > to + half);
  low.setAttribute("aria-valuetext", shown(name, Number(low.value)));
  high.setAttribute("aria-valuetext", shown(name, Number(high.value)));
}

/** Makes filters of what the hand has set; an end that is not moved is none: rows without a score stay. */
function take(name, ends, change) {
  if (!moved.has(name)) return;
  const { from, to } = inOrder(moved.get(name));
  const half = STEPS[name] / 2;
  moved.delete(name);
  change({
    [`${name}_min`]: from > ends.min + half ? fixed(name, from) : null,
    [`${name}_max`]: to < ends.max - half ? fixed(name, to) : null,
  });
}

const inOrder = ({ low, high }) => ({ from: Math.min(low, high), to: Math.max(low, high) });

function slider(name, end, bounds, step, value) {
  return element("input", {
    type: "range",
    min: fixed(name, bounds.min),
    max: fixed(name, bounds.max),
    step,
    value: fixed(name, value),
    "aria-label": words.ends[end](words.facets[name]),
    dataset: { focus: `${name}:${end}` },
  });
}

function histogram(facet, bounds) {
  const svg = shape("svg", {
    class: "histogram",
    viewBox: `0 0 100 ${HEIGHT}`,
    preserveAspectRatio: "none",
    "aria-hidden": "true",
  });
  const most = Math.max(1, ...facet.bins);
  const wide = (facet.max - facet.min) / facet.bins.length;
  const x = (value) => (bounds.max > bounds.min ? (100 * (value - bounds.min)) / (bounds.max - bounds.min) : 0);
  facet.bins.forEach((n, index) => {
    const [from, to] = [facet.min + index * wide, facet.min + (index + 1) * wide];
    // A square root, so that a bin of few rows is still seen beside one of very many.
    const height = n ? Math.max(1.5, HEIGHT * Math.sqrt(n / most)) : 0;
    const bar = shape("rect", { x: x(from), width: Math.max(0, x(to) - x(from) - 0.8), y: HEIGHT - height, height });
    Object.assign(bar.dataset, { from, to });
    bar.append(Object.assign(document.createElementNS(svg.namespaceURI, "title"), { textContent: number(n) }));
    svg.append(bar);
  });
  return svg;
}

function shape(tag, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

const fixed = (name, value) => (name === "score" ? value.toFixed(2) : String(Math.round(value)));
const shown = (name, value) => (name === "score" ? value.toFixed(2) : number(Math.round(value)));

// The map: instructions or samples as points. The address holds which map and which colours (?map=…&colour=…).

import { openSample } from "./sample.js";
import { announce, api, bindKeys, element, fill, openShell, problem } from "./shell.js";
import { coloursOf, ramp } from "./map_colours.js";
import { bringMap } from "./map_data.js";
import { layOut } from "./map_layout.js";
import { drawLegend, drawRange } from "./map_legend.js";
import { drawList } from "./map_list.js";
import { canDraw, makePlot } from "./map_plot.js";
import { drawChosen } from "./map_chosen.js";
import { drawTip } from "./map_tip.js";
import { changed, go, here } from "./place.js";
import { words } from "./words/map.js";

const MAPS = ["samples", "instructions"];

const about = await openShell("map", words.title);
const parts = layOut(MAPS, { choose, zoom, whole, toggleLasso });
const drawing = canDraw();
const plot = drawing ? makePlot(parts.canvas, { hover, moved, click, chosen, cleared }) : null;
const sample = openSample({ about, neighbour: async () => {}, close: () => (sample.show(null, []), plot?.deselect()) });
const state = { which: null, map: null, colour: null, off: new Set(), stopped: new AbortController(), chosen: [] };

bindKeys([
  { keys: ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"], label: words.pan, act: move },
  { keys: ["+", "="], label: words.zoomIn, act: () => zoom(1, true) },
  { keys: ["-"], label: words.zoomOut, act: () => zoom(-1, true) },
  { keys: ["0"], label: words.whole, act: () => whole(true) },
  { keys: ["Enter"], label: words.open, act: openCentral },
  { keys: ["l"], label: words.lasso, act: toggleLasso },
  { keys: ["s"], label: words.chooseAll, act: () => state.map && plot && chooseAll() },
  { keys: ["Escape"], label: words.clear, act: clear },
  { keys: ["m"], label: words.other, act: () => choose(MAPS[1 - MAPS.indexOf(state.which)]) },
]);
window.addEventListener("popstate", show);
new MutationObserver(redress).observe(document.documentElement, { attributeFilter: ["data-theme"] });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redress);
show();

/** Goes to another map. */
function choose(which) {
  go(changed(here(), { map: which, colour: null }));
}

/** Draws what the address says. */
async function show() {
  const which = MAPS.includes(here().get("map")) ? here().get("map") : MAPS[0];
  if (which !== state.which && !(await load(which))) return;
  if (!state.map) return; // it is on its way, and drawn once it is here
  const colours = Object.keys(state.map.colours).concat(state.map.score ? ["score"] : []);
  const asked = here().get("colour"); // by now
  const colour = colours.includes(asked) ? asked : colours[0];
  fill(
    parts.colour,
    colours.map((name) => element("option", { value: name, selected: name === colour }, words.colours[name])),
  );
  if (colour !== state.colour) state.off = new Set();
  state.colour = colour;
  await paint();
}

/** Brings the map `which`; whether there is one. */
async function load(which, again = false) {
  state.stopped.abort();
  state.stopped = new AbortController();
  Object.assign(state, { which, map: null, colour: null });
  clear();
  delete parts.stage.dataset.drawn;
  for (const tab of parts.tabs.children) tab.setAttribute("aria-selected", String(tab.dataset.which === which));
  fill(parts.about, words.about[which]);
  for (const place of [parts.total, parts.legend, parts.list, parts.colour]) fill(place);
  wait({ progress: 0 });
  try {
    const map = await bringMap(
      which,
      (status) => (status.state === "computing" ? wait(status) : refuse(status.why)),
      state.stopped.signal,
      again,
    );
    if (!map || state.which !== which) return false;
    state.map = map;
  } catch (error) {
    if (error.name !== "AbortError") notice(problem(error, () => retry()));
    return false;
  }
  notice(null);
  fill(parts.total, words.points[which](state.map.n));
  fill(parts.about, words.about[which], state.map.note && element("span", { class: "note" }, ` ${state.map.note}`));
  parts.canvas.setAttribute("aria-label", words.canvas(words.points[which](state.map.n)));
  drawList(parts.list, which, state.map);
  return true;
}

async function retry() {
  if (await load(state.which, true)) await show();
}

function wait(status) {
  const bar = element("progress", { max: 1, ...(status.progress ? { value: status.progress } : {}) });
  notice(
    element("div", {}, element("h2", {}, words.computing[state.which]), element("p", {}, words.computingWhy)),
    bar,
  );
}

function refuse(why) {
  notice(
    emptyNotice(words.impossible[state.which], why),
    element("button", { type: "button", onclick: retry }, words.again),
  );
}

const emptyNotice = (heading, text) => [element("h2", {}, heading), element("p", {}, text)];

function notice(...content) {
  parts.notice.hidden = content[0] === null;
  parts.views.hidden = !parts.notice.hidden || !drawing;
  fill(parts.notice, content);
}

/** Colours the points and fills the legend. */
async function paint() {
  const { which, map, colour } = state;
  const shades =
    colour === "score"
      ? ofScore(map)
      : {
          z: Float32Array.from(map.colours[colour].codes),
          kind: "categorical",
          colours: coloursOf(map.colours[colour]),
        };
  if (colour === "score") drawRange(parts.legend, shades.low, shades.high);
  else drawLegend(parts.legend, colour, map.colours[colour], state.off, filter);
  if (!plot) {
    parts.list.open = true;
    return notice(emptyNotice(words.noWebGL, words.noWebGLWhy));
  }
  await plot.draw(map, shades, largeOnes(map), shownOnes());
  if (state.map === map) parts.stage.dataset.drawn = which; // tests and screenshots wait for this
}

function ofScore(map) {
  const sorted = Float32Array.from(map.score.filter((value) => value !== null)).sort();
  const [low, high] = [sorted[Math.floor(sorted.length * 0.01)] ?? 0, sorted[Math.ceil(sorted.length * 0.99) - 1] ?? 1];
  const z = Float32Array.from(map.score, (value) =>
    Math.min(1, Math.max(0, ((value ?? low) - low) / (high - low || 1))),
  );
  return { z, kind: "continuous", colours: ramp(), low, high };
}

/** General instructions stand out among raw ones. */
function largeOnes(map) {
  const kind = map.colours.kind;
  if (!kind) return null;
  const final = kind.values.indexOf("final");
  return Float32Array.from(kind.codes, (code) => (code === final ? 1 : 0));
}

/** The points that the legend leaves switched on; null for all. */
function shownOnes() {
  if (!state.off.size) return null;
  const codes = state.map.colours[state.colour].codes;
  const shown = [];
  for (let point = 0; point < codes.length; point += 1) if (!state.off.has(codes[point])) shown.push(point);
  return shown;
}

function filter() {
  const shown = shownOnes();
  plot?.show(shown);
  fill(parts.total, words.points[state.which](shown ? shown.length : state.map.n));
}

/** Changes the view by `act`; who does so by keys is told of the point nearest to the centre. */
function look(act, byKey) {
  if (!plot || !state.map) return;
  parts.stage.classList.toggle("seeking", byKey);
  act();
}

function zoom(steps, byKey = false) {
  look(() => plot.zoom(steps), byKey);
}

function whole(byKey = false) {
  look(() => plot.whole(), byKey);
}

function moved() {
  hover(parts.stage.classList.contains("seeking") ? plot.central() : null);
}

function move(event) {
  const [right, up] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
  look(() => plot.pan(right, up), true);
}

function hover(point) {
  drawTip(parts.tip, state, point, point === null || !plot ? null : plot.screenPosition(point), parts.stage);
}

function click(point) {
  if (!state.map) return; // the points of the map before are still seen
  if (state.which === "samples") openOne(point);
  else chosen([point]);
}

function openOne(point) {
  hover(null);
  sample.show(state.map.ids[point], []);
}

function openCentral() {
  const point = plot && state.map ? plot.central() : null;
  if (point !== null) click(point);
}

function chosen(points) {
  if (!state.map) return;
  state.chosen = points;
  drawChosen(parts.chosen, state, { clear, toGallery });
}

function chooseAll() {
  const points = plot.inView();
  plot.select(points);
  chosen(points);
}

function cleared() {
  state.chosen = [];
  parts.chosen.hidden = true;
}

function clear() {
  plot?.deselect();
  cleared();
  hover(null);
}

async function toGallery() {
  try {
    const { key } = await api("/api/selections", { body: { ids: state.chosen.map((point) => state.map.ids[point]) } });
    location.href = `/gallery?selection=${encodeURIComponent(key)}`;
  } catch (error) {
    announce(error.message);
  }
}

function toggleLasso() {
  const active = parts.lasso.getAttribute("aria-pressed") !== "true";
  parts.lasso.setAttribute("aria-pressed", String(active));
  parts.canvas.classList.toggle("lassoing", active);
  plot?.setLasso(active);
  if (active) announce(words.lassoHint);
}

function redress() {
  plot?.dress();
}

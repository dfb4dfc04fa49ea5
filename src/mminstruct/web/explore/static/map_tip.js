// What is told of the point under the mouse, or nearest to the centre.

import { badge } from "./badges.js";
import { labelOf } from "./map_legend.js";
import { picture } from "./picture.js";
import { element, fill } from "./shell.js";
import { words } from "./words/map.js";

const GAP = 14; // pixels between point and box

/** Fills `tip` for a point and sets it beside `at` [x, y] inside `stage`; hides it for null. */
export function drawTip(tip, state, point, at, stage) {
  tip.hidden = point === null || !at || !state.map;
  if (tip.hidden) return;
  fill(tip, state.which === "samples" ? ofSample(state.map, point) : ofInstruction(state.map, point));
  const [width, height] = [stage.clientWidth, stage.clientHeight];
  const left = at[0] + GAP + tip.offsetWidth > width ? at[0] - GAP - tip.offsetWidth : at[0] + GAP;
  const top = Math.min(Math.max(8, at[1] - tip.offsetHeight / 2), height - tip.offsetHeight - 8);
  tip.style.left = `${Math.max(8, left)}px`;
  tip.style.top = `${Math.max(8, top)}px`;
}

function ofSample(map, point) {
  const [status, reason] = ["status", "reason"].map((name) => map.colours[name].values[map.colours[name].codes[point]]);
  const label = labelOf("status", map.colours.status, map.colours.status.codes[point]);
  const score = map.score[point];
  return [
    picture(map.image.ids[map.image.codes[point]]),
    element(
      "div",
      { class: "told" },
      element("p", {}, map.colours.instruction.values[map.colours.instruction.codes[point]]),
      element(
        "p",
        { class: "badges" },
        badge(label, { kept: "good", rejected: "bad", held_out: "warn", benchmark: "accent" }[status]),
        reason && badge(reason.replaceAll("_", " "), "bad"),
      ),
      score !== null && element("p", { class: "soft" }, words.score(score)),
    ),
  ];
}

function ofInstruction(map, point) {
  const { kind, cluster, reason } = map.colours;
  const became = cluster.values[cluster.codes[point]];
  const told = labelOf("kind", kind, kind.codes[point]);
  const why = reason.values[reason.codes[point]];
  return element(
    "div",
    { class: "told" },
    element("p", {}, map.text[point]),
    element(
      "p",
      { class: "badges" },
      badge(told, { final: "warn", rejected: "bad" }[kind.values[kind.codes[point]]]),
      why && badge(why.replaceAll("_", " "), "bad"),
    ),
    cluster.ids[cluster.codes[point]] && became !== map.text[point] && element("p", { class: "soft" }, `→ ${became}`),
    why && element("p", { class: "soft text" }, map.detail[point]),
  );
}

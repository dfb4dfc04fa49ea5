// The few figures that one wants from across the room: how far, how fast, how long, what it costs; and the curve of rows.

import { element, fill, number } from "./shell.js";
import { words } from "./words/live.js";

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT] = [240, 48]; // of the curve, in its own units

/** Draws the figures of the running stage (`rates`, null where none is running) and of what was paid. */
export function drawFigures(place, { rates, cost, now }) {
  const sum = (name) => cost.reduce((total, line) => total + line[name], 0);
  const prices = cost.map((line) => line.cost);
  const known = prices.length > 0 && prices.every((price) => price !== null);
  fill(
    place,
    rates && [
      figure(words.figures.stage, rates.stage, ""),
      figure(words.figures.remaining, rates.remaining_s === null ? words.unknown : words.remaining(rates.remaining_s)),
      figure(words.figures.now, words.rate(rates.rows_now), words.nowOf),
      figure(words.figures.mean, words.rate(rates.rows_mean), words.meanOf),
      rates.usage && figure(words.figures.tokens, words.tokenRate(rates.tokens_now), words.nowOf),
    ],
    figure(words.figures.requests, number(sum("requests"))),
    figure(words.figures.allTokens, number(sum("prompt_tokens") + sum("completion_tokens"))),
    figure(words.figures.cost, known ? words.cost(prices.reduce((a, b) => a + b, 0)) : words.unknown, prices.length && !known ? words.unpriced : ""),
    rates && rates.points.length > 2 && curve(rates.points, now),
  );
}

const figure = (name, value, of = "") =>
  element("dl", { class: "figure" }, element("dt", {}, name), element("dd", {}, value), of && element("dd", { class: "of" }, of));

/** The rows done over time, as a line; the last point is now. */
function curve(points, now) {
  const all = [...points, [now, points.at(-1)[1]]];
  const [start, low, high] = [all[0][0], all[0][1], all.at(-1)[1]];
  const place = ([time, n]) => `${((time - start) / Math.max(now - start, 1e-6)) * WIDTH},${HEIGHT - 2 - ((n - low) / Math.max(high - low, 1)) * (HEIGHT - 4)}`;
  const drawing = document.createElementNS(SVG, "svg");
  drawing.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  drawing.setAttribute("preserveAspectRatio", "none");
  drawing.setAttribute("role", "img");
  drawing.setAttribute("aria-label", words.curve);
  const line = document.createElementNS(SVG, "polyline");
  line.setAttribute("points", all.map(place).join(" "));
  drawing.append(line);
  return element("div", { class: "curve", title: words.curve }, drawing);
}

// Figures as text and as small drawings: percent, intervals, a dot with its whisker on a shared axis.
//
// Drawings place everything in percent of their width, so that they need no measuring and fit any column.

const SVG = "http://www.w3.org/2000/svg";
const DASH = "–";
const MARGIN = 3; // percent at each end of an axis, so that a dot at the end is whole

/** An SVG element; attributes and children as for `element` in dom.js. */
export function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) made.setAttribute(name, String(value));
  }
  made.append(...children.flat(Infinity).filter(Boolean));
  return made;
}

/** 0.7172 → "71.7"; what is not known is a dash. */
export const percent = (share) => (share === null ? DASH : decimal(100 * share, 1));

/** −0.051 → "−0.05": with thousands set apart and a true minus. */
export function decimal(value, places = 2) {
  if (value === null || !Number.isFinite(value)) return DASH;
  const text = new Intl.NumberFormat("en", { minimumFractionDigits: places, maximumFractionDigits: places }).format(Math.abs(value));
  return value < 0 && Number(text.replaceAll(",", "")) ? `−${text}` : text;
}

/** "61.0 to 82.4"; an end that the data do not give leaves "61.0 and up" or "up to 82.4"; without both, a dash. */
export function interval(low, high, write = percent) {
  if (low !== null && high !== null) return `${write(low)} to ${write(high)}`;
  if (low !== null) return `${write(low)} and up`;
  return high !== null ? `up to ${write(high)}` : DASH;
}

/** A scale from values to percent of a drawing's width, with two to eight round values between its ends. */
export function axis(low, high) {
  const span = high - low || 1;
  const at = (value) => MARGIN + ((100 - 2 * MARGIN) * (Math.min(high, Math.max(low, value)) - low)) / span;
  const power = 10 ** Math.floor(Math.log10(span));
  const step = [0.2, 0.5, 1, 2].map((factor) => factor * power).find((each) => span / each <= 7);
  const first = Math.ceil(low / step - 1e-9);
  const n = Math.floor(high / step + 1e-9) - first + 1;
  return { low, high, at, ticks: Array.from({ length: n }, (_, index) => Number(((first + index) * step).toPrecision(12))) };
}

/** Shares from nothing to all. */
export const shares = { ...axis(0, 1), ticks: [0, 0.25, 0.5, 0.75, 1] };

/**
 * Dots with whiskers over one axis: `marks` are `{value, low, high, kind}`, `kind` "raw" (a dot) or "controlled" (a diamond).
 *
 * It is hidden from screen readers: the same figures stand beside it as text.
 */
export function whiskers(scale, marks, { even = null } = {}) {
  const height = 12 + 14 * marks.length;
  const lines = scale.ticks.map((tick) => upright(scale.at(tick), height, tick === even ? "even" : "tick"));
  return svg("svg", { class: "whiskers", width: "100%", height, "aria-hidden": "true" }, lines, marks.map((each, index) => mark(scale, each, 13 + 14 * index)));
}

function mark(scale, { value, low, high, kind = "raw" }, y) {
  if (value === null) return [];
  const ends = [low ?? scale.low, high ?? scale.high].map(scale.at);
  const line = low === null && high === null ? null : svg("line", { class: kind, x1: `${ends[0]}%`, x2: `${ends[1]}%`, y1: y, y2: y });
  const x = `${scale.at(value)}%`;
  if (kind === "raw") return [line, svg("circle", { cx: x, cy: y, r: 4.5 })];
  // A nested drawing has its origin at a percentage, which a path's points cannot have.
  return [line, svg("svg", { x, y, overflow: "visible" }, svg("path", { class: "diamond", d: "M-5.5 0L0-5.5 5.5 0 0 5.5z" }))];
}

/** The axis' round values as text, to stand above or below drawings with the same scale. */
export function axisLabels(scale, write) {
  const labels = scale.ticks.map((tick) => svg("text", { x: `${scale.at(tick)}%`, y: 13, "text-anchor": "middle" }, write(tick)));
  return svg("svg", { class: "whiskers labels", width: "100%", height: 18, "aria-hidden": "true" }, labels);
}

const upright = (x, height, kind) => svg("line", { class: kind, x1: `${x}%`, x2: `${x}%`, y1: 0, y2: height });

/** A bar of parts side by side: `parts` are `{n, kind, label}`; its name for screen readers tells all of them. */
export function stackedBar(parts) {
  const total = parts.reduce((sum, part) => sum + part.n, 0) || 1;
  let from = 0;
  const pieces = parts.map(({ n, kind, label }) => {
    const piece = svg("rect", { class: kind, x: `${(100 * from) / total}%`, width: `${(100 * n) / total}%`, height: 12 }, svg("title", {}, `${label}: ${n}`));
    from += n;
    return n ? piece : null;
  });
  const name = parts.map(({ n, label }) => `${label}: ${n}`).join(", ");
  return svg("svg", { class: "stacked", width: "100%", height: 12, role: "img", "aria-label": name }, pieces);
}

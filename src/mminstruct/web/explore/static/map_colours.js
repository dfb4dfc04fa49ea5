// Colours of points: one for each value of few, or a ramp for a number; all are seen on a light and a dark ground.

const FIXED = [
  "#4e79d9",
  "#e0792b",
  "#2f9e6b",
  "#d1495b",
  "#8b62c9",
  "#b08a12",
  "#1c9cb3",
  "#c45aa0",
  "#7a8f2a",
  "#a3664a",
  "#5b84b1",
  "#e0667e",
];
const TONES = {
  kept: "#2f9e6b",
  benchmark: "#4e79d9",
  held_out: "#c98a1b",
  rejected: "#d1495b",
  waiting: "#8a92a0",
  raw: "#7f9bd6",
  final: "#e0792b",
};
export const NONE = "#8a92a0";
const GOLDEN_ANGLE = 137.508; // degrees: hues that far apart stay apart, however many there are
const RAMP = ["#3b4cc0", "#4f8bd0", "#35a7a0", "#68b65a", "#c9b02f", "#e0792b", "#c93a3a"];

/** A colour for each of the column's values, the most frequent first in the palette; "" has that of nothing. */
export function coloursOf(column) {
  const order = orderOf(column);
  const colours = new Array(column.values.length).fill(NONE);
  const named = order.filter((code) => !isNothing(column, code));
  named.forEach((code, rank) => {
    colours[code] = TONES[column.values[code]] ?? (named.length <= FIXED.length ? FIXED[rank] : turned(rank));
  });
  return colours;
}

/** The codes of a column's values, the most frequent first and "" last. */
export function orderOf(column) {
  const counts = countsOf(column);
  const codes = column.values.map((_, code) => code);
  return codes.sort(
    (one, other) => isNothing(column, one) - isNothing(column, other) || counts[other] - counts[one] || one - other,
  );
}

/** How many points have each value. */
export function countsOf(column) {
  const counts = new Array(column.values.length).fill(0);
  for (const code of column.codes) counts[code] += 1;
  return counts;
}

/** Whether a value is no value. */
export const isNothing = (column, code) => column.values[code] === "" || column.values[code] === null;

/** 64 steps from low to high. */
export function ramp() {
  return Array.from({ length: 64 }, (_, step) => {
    const place = (step / 63) * (RAMP.length - 1);
    const from = Math.min(Math.floor(place), RAMP.length - 2);
    return mixed(RAMP[from], RAMP[from + 1], place - from);
  });
}

/** The ramp as a CSS gradient. */
export const gradient = () => `linear-gradient(to right, ${RAMP.join(", ")})`;

function mixed(one, other, share) {
  const [first, second] = [one, other].map((hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)));
  return hexOf(first.map((value, at) => value + (second[at] - value) * share));
}

function turned(rank) {
  const hue = (rank * GOLDEN_ANGLE) % 360;
  const lightness = [0.52, 0.42, 0.62][rank % 3];
  return hexOf([0, 8, 4].map((shift) => 255 * channel(hue, 0.55, lightness, shift)));
}

/** One channel of a colour in HSL, 0 to 1 (CSS Color 4, section 7.1). */
function channel(hue, saturation, lightness, shift) {
  const at = (shift + hue / 30) % 12;
  return lightness - saturation * Math.min(lightness, 1 - lightness) * Math.max(-1, Math.min(at - 3, 9 - at, 1));
}

const hexOf = (values) => `#${values.map((value) => Math.round(value).toString(16).padStart(2, "0")).join("")}`;

// English of the filter bar and of its chips.

const number = (n) => new Intl.NumberFormat("en").format(n);

export const words = {
  facets: {
    status: "What became of it",
    reason: "Why rejected",
    stage: "Rejected at",
    category: "Category",
    source: "Source",
    instruction: "Instruction",
    decision: "Review",
    image: "Image",
    score: "Match score",
    words: "Words of the answer",
  },
  statuses: {
    kept: "Kept for training",
    benchmark: "Held out for the benchmark",
    held_out: "Left out by the split",
    rejected: "Rejected",
    waiting: "Not split yet",
  },
  decisions: { keep: "Keep", drop: "Drop", edit: "Edited", none: "Not reviewed" },
  unnamed: "(no name)",
  showAll: (n) => `Show all ${number(n)}`,
  showFewer: "Show fewer",
  seek: (facet) => `Find in: ${facet.toLowerCase()}`,
  range: (from, to) => `${from} to ${to}`,
  ends: { low: (facet) => `${facet}: at least`, high: (facet) => `${facet}: at most` },
  bounds: { min: (facet, value) => `${facet} ≥ ${value}`, max: (facet, value) => `${facet} ≤ ${value}` },
  sought: (text) => `Search: ${text}`,
  selection: (n) => (n === null ? "Selection from the map" : `Selection of ${number(n)} from the map`),
  chip: (facet, value) => `${facet}: ${value}`,
  remove: (text) => `Remove the filter “${text}”`,
  clearAll: "Clear all",
};

// English of the map.

const number = (n) => new Intl.NumberFormat("en").format(n);
const n = (count, one, many) => `${number(count)} ${count === 1 ? one : many}`;

export const words = {
  title: "Map",
  maps: { samples: "Samples", instructions: "Instructions" },
  about: {
    samples: "Each point is an answer, placed by its image: images that the match finds alike are near each other.",
    instructions:
      "Each point is an instruction: small ones were written for single images, large ones are what they became.",
  },
  points: {
    samples: (count) => n(count, "answer", "answers"),
    instructions: (count) => n(count, "instruction", "instructions"),
  },
  canvas: (what) => `Map of ${what}. The list below it holds the same groups as text.`,
  colour: "Colour by",
  colours: {
    cluster: "Cluster",
    category: "Category",
    kind: "Kind",
    reason: "Why rejected",
    instruction: "Instruction",
    source: "Source",
    status: "Status",
    score: "Match score",
  },
  kinds: { raw: "Written for one image", final: "General instruction", rejected: "Rejected" },
  none: { cluster: "In no cluster", category: "No category", reason: "Not rejected", default: "None" },
  numbered: (label) => `Cluster ${label}, rejected`,
  legend: "Legend",
  all: "Show all",
  only: "Show only this",
  seek: "Find in the legend",
  scoreRange: (low, high) => `Match score from ${low} to ${high}`,
  zoomIn: "Zoom in",
  zoomOut: "Zoom out",
  whole: "Show the whole map",
  lasso: "Lasso",
  lassoHint: "Draw around points with the mouse; or hold Shift while you draw.",
  pan: "Move the view",
  open: "Open the point nearest to the centre",
  chooseAll: "Choose all points in view",
  clear: "Let go of what is chosen",
  other: "The other map",
  chosen: (count) => `${number(count)} chosen`,
  toGallery: "Show in the gallery",
  clearChoice: "Clear",
  noneBecame: "None of them became a general instruction.",
  tooMany: (count, most) =>
    `They became ${number(count)} instructions; choose points of at most ${number(most)} to see their rows.`,
  more: (count) => `and ${number(count)} more`,
  became: "Became",
  cluster: "Its rows in the gallery",
  close: "Close",
  score: (value) => `match score ${value.toFixed(2)}`,
  computing: {
    samples: "The map of the samples is being laid out …",
    instructions: "The map of the instructions is being laid out …",
  },
  computingWhy:
    "It is made once and kept with the run: some thousand points take seconds, hundreds of thousands a minute or two.",
  impossible: { samples: "No map of the samples", instructions: "No map of the instructions" },
  again: "Try again",
  noWebGL: "This browser cannot draw the map",
  noWebGLWhy: [
    "The map is drawn with WebGL, which is missing or switched off here.",
    "Switch hardware acceleration on in the browser’s settings, or open this address in another browser.",
    "The list below needs none of it.",
  ].join(" "),
  list: { samples: "Instructions as a list", instructions: "Clusters as a list" },
  columns: { instruction: "Instruction", category: "Category", n: "Points", kept: "Kept", rejected: "Rejected" },
  changed: "The map was made anew; this is the new one.",
};

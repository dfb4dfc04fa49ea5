// English of the live view.

const number = (n) => new Intl.NumberFormat("en").format(n);
const rounded = (value) => new Intl.NumberFormat("en", { maximumSignificantDigits: value >= 100 ? 4 : 2 }).format(value);

/** Seconds as a person says them: 45 s, 12 min, 3 h 20 min, 2 d 4 h. */
function span(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 90) return `${s} s`;
  const minutes = Math.round(s / 60);
  if (minutes < 90) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** A rate in the unit in which it is a number to read. */
function rate(perSecond) {
  if (perSecond >= 1) return `${rounded(perSecond)} rows/s`;
  if (perSecond * 60 >= 1) return `${rounded(60 * perSecond)} rows/min`;
  return perSecond > 0 ? `${rounded(3600 * perSecond)} rows/h` : "0 rows/s";
}

export const words = {
  title: "Live",
  states: {
    running: "Running",
    done: "Finished",
    stopped: "Stopped",
    died: "Ended without a word",
    new: "Not begun",
  },
  next: {
    running: "",
    done: "Nothing is left to do. See the samples in the gallery, or export them:",
    stopped: "It goes on where it stopped, without paying for anything twice:",
    died: "No process works on the run, and the last one did not say that it ended: it was killed, or the machine went down. Nothing that was paid for is lost. Go on with:",
    new: "No stage has begun yet. Start it with:",
  },
  commands: { done: "mminstruct export RUN --out DIR", other: "mminstruct run CONFIG" },
  toGallery: "To the gallery",
  toReview: "Review the samples",
  saidLast: (text) => `The last thing it said: ${text}`,
  silent: (seconds, isFirst) =>
    isFirst ? `No row has come yet; the stage began ${span(seconds)} ago.` : `The last row came ${span(seconds)} ago.`,
  rejectedBy: (stage) => `by ${stage}`,
  timeLeft: (seconds) => `, ${span(seconds)} left`,
  starting: "A stage is being prepared; its first rows will show here.",
  figures: {
    stage: "Stage now",
    remaining: "Left in this stage",
    now: "Rate now",
    mean: "Rate on average",
    tokens: "Tokens now",
    requests: "Requests",
    cost: "Cost",
    allTokens: "Tokens in all",
  },
  unknown: "–",
  remaining: span,
  rate,
  tokenRate: (perSecond) => `${rounded(perSecond)} tokens/s`,
  tokens: (n) => number(n),
  meanOf: "since the stage began",
  nowOf: "over the last 30 s",
  unpriced: "no price known",
  curve: "Rows done over the last minute or so",
  stages: "Stages",
  columns: { stage: "Stage", rows: "Rows", rejected: "Rejected", rate: "Rate", time: "Time" },
  statuses: {
    running: "running",
    done: "done",
    waiting: "not begun",
    unfinished: "unfinished",
    stale: "to be made anew",
  },
  rows: (done, all) => (all === null ? number(done) : `${number(done)} of ${number(all)}`),
  stageProgress: (stage) => `Progress of ${stage}`,
  cached: (n) => `${number(n)} from the reply store`,
  paid: "Requests and cost",
  noneAsked: "No language model has been asked yet.",
  paidColumns: { stage: "Stage", model: "Model", requests: "Requests", prompt: "Tokens in", completion: "Tokens out", cost: "Cost" },
  total: "In all",
  cost: (value) => (value === null ? "unknown" : new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 4 }).format(value)),
  rejects: "Rejects by reason",
  noRejects: "Nothing has been rejected.",
  newest: "Newest rows",
  noNewest: "No row yet.",
  newestRejects: "Newest rejects",
  noText: "No text",
  notOnDisk: "Not in the gallery yet: its part is written when all of its rows are through.",
  paused: "Paused while this page is hidden.",
  number,
};

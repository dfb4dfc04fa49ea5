// English of what became of a row.

export const words = {
  statuses: {
    kept: "Kept",
    benchmark: "Benchmark",
    held_out: "Held out",
    rejected: "Rejected",
    waiting: "Waiting",
  },
  decisions: { keep: "Reviewed: keep", drop: "Reviewed: drop", edit: "Reviewed: edited" },
};

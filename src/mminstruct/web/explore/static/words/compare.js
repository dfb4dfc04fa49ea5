// English of the comparison with another run.

export const words = {
  title: "The same image in another run",
  run: "Other run",
  chooseNone: "Choose a run",
  noOtherRun: "There is no other run to compare with: no other run folder lies beside this one.",
  notThere: (run) => `${run} has no row of this image.`,
  mine: "This run",
  same: "the same",
  fields: {
    status: "Status",
    reason: "Reason",
    description: "Description",
    instruction: "Instruction",
    category: "Category",
    answer: "Answer",
    score: "Match score",
    model: "Model",
  },
};

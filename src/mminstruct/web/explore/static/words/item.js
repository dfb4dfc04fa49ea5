// English of a row's whole story.

const number = (n) => new Intl.NumberFormat("en").format(n);

const ranked = (rank) =>
  rank === null ? "" : rank === 0 ? ", the image’s best" : `, rank ${number(rank + 1)} of the image’s`;

export const words = {
  pictureOf: (id) => `The image of row ${id}`,
  description: "Description",
  describedBy: (model) => `Written by ${model}`,
  captions: (n) => (n === 1 ? "The source’s caption" : `The source’s ${number(n)} captions`),
  pixels: (width, height) => `${number(width)} × ${number(height)}`,
  noInstruction: "No instruction",
  noAnswer: "No text",
  rejectedAt: (stage, detail) => `Rejected by ${stage}${detail ? `: ${detail}` : ""}`,
  parts: {
    became: "What became of it",
    rules: "Rules",
    twin: "The answer that it repeats",
    match: "Match",
    cluster: "Where the instruction comes from",
    exemplars: "Exemplars in the prompt",
    prompt: "Prompt and reply",
    described: "How the image was described",
    ids: "Identifiers",
  },
  outcomes: { passed: "Passed", failed: "Failed", "not applicable": "Not applicable", skipped: "Off" },
  drawn: "drawn",
  matched: (score, rank, encoder) => `Similarity ${score.toFixed(3)}${ranked(rank)}, by the encoder “${encoder}”.`,
  drawnAtRandom: "An instruction is drawn at random among those near the image; these are the nearest.",
  noRunnersUp: "The instructions that came near are not known.",
  seen: (shown, n) =>
    shown === n ? `The cluster’s ${number(n)} instructions` : `${number(shown)} of ${number(n)} that the model saw`,
  unseen: (n) => `${number(n)} more of the cluster`,
  seeds: "Seeds of those instructions",
  exemplarOf: (description) => `For: ${description}`,
  roles: { system: "System", user: "User", assistant: "Assistant", prompt: "Prompt" },
  reply: "Reply",
  model: (name) => name,
  tokens: (prompt, completion) => `${number(prompt)} tokens in, ${number(completion)} out`,
  description_request: "Asked for a description",
  description_check: "Asked whether the image supports it",
  ids: {
    row: "Row",
    image: "Image",
    instruction: "Instruction",
    request: "Request",
    path: "Image file",
    hash: "Content hash",
  },
};

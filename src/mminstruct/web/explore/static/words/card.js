// English of a card.

export const words = {
  noInstruction: "No instruction",
  noAnswer: "No text",
  score: (score) => score.toFixed(2),
  nWords: (n) => (n === 1 ? "1 word" : `${new Intl.NumberFormat("en").format(n)} words`),
};

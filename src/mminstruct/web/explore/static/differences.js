// Which words of two texts differ: the longest common subsequence of their words.

const LONGEST = 1200; // words; the table below has the product of both numbers

/**
 * The two texts in pieces: `{kind: "both" | "left" | "right", text}`. Texts over 1,200 words are compared as wholes.
 */
export function wordDifferences(left, right) {
  const [a, b] = [left, right].map((text) => text.match(/\s*\S+/g) ?? []);
  if (a.length > LONGEST || b.length > LONGEST)
    return [
      { kind: "left", text: left },
      { kind: "right", text: right },
    ];
  const lengths = commonLengths(a, b);
  const pieces = [];
  const add = (kind, text) => {
    if (pieces.at(-1)?.kind === kind) pieces.at(-1).text += text;
    else pieces.push({ kind, text });
  };
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i].trim() === b[j].trim()) {
      add("both", a[i]);
      i += 1;
      j += 1;
    } else if (j >= b.length || (i < a.length && lengths[i + 1][j] >= lengths[i][j + 1])) add("left", a[i++]);
    else add("right", b[j++]);
  }
  return pieces;
}

/** lengths[i][j]: how many words a[i:] and b[j:] have in common, in their order. */
function commonLengths(a, b) {
  const lengths = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      lengths[i][j] =
        a[i].trim() === b[j].trim() ? lengths[i + 1][j + 1] + 1 : Math.max(lengths[i + 1][j], lengths[i][j + 1]);
    }
  }
  return lengths;
}

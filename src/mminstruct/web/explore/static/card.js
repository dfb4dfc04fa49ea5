// A row of the run as a card: picture, instruction, the beginning of the answer, what became of it.

import { badges } from "./badges.js";
import { element } from "./dom.js";
import { picture } from "./picture.js";
import { words } from "./words/card.js";

/** The card of an ITEM (docs/explore.md, GET /api/items); the whole card is one link to `href`. */
export function card(item, href) {
  const instruction = item.instruction ?? words.noInstruction;
  return element(
    "article",
    { class: "card", dataset: { id: item.id } },
    picture(item.image_id),
    element(
      "div",
      { class: "told" },
      element("h3", {}, element("a", { href, title: instruction }, instruction)),
      element("p", { class: "answer" }, item.answer || words.noAnswer),
      element("div", { class: "foot" }, badges(item), element("p", { class: "figures" }, figures(item))),
    ),
  );
}

const figures = (item) =>
  [item.score !== null && words.score(item.score), item.n_words && words.nWords(item.n_words)]
    .filter(Boolean)
    .join(" · ");

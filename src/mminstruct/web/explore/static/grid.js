// The cards of one page, the skeleton that keeps their place, and the way to the other pages.

import { card } from "./card.js";
import { addressOf, changed, here } from "./place.js";
import { element, fill, number } from "./shell.js";
import { words } from "./words/gallery.js";

/** Draws one card per ITEM; a plain click opens it here, a click with a modifier in a new tab. */
export function drawCards(place, items) {
  fill(
    place,
    items.map((item) => card(item, addressOf(changed(here(), { sample: item.id })))),
  );
}

/** Grey cards, before the first answer of the server. */
export function drawSkeleton(place) {
  const lines = () => element("div", { class: "told" }, element("i"), element("i"));
  fill(
    place,
    Array.from({ length: 12 }, () =>
      element("div", { class: "card waiting", "aria-hidden": "true" }, element("div", { class: "picture" }), lines()),
    ),
  );
}

/** Draws "previous · page 3 of 40 · next"; nothing where all rows fit on one page. */
export function drawPages(place, { page, nPages }, turn) {
  if (nPages <= 1) return fill(place);
  const field = element("input", {
    type: "number",
    min: 1,
    max: nPages,
    value: page + 1,
    "aria-label": words.pageNumber,
  });
  field.addEventListener("change", () => {
    const wanted = Math.min(nPages, Math.max(1, Math.round(Number(field.value)) || 1));
    field.value = wanted;
    turn(wanted - 1 - page);
  });
  return fill(
    place,
    element("button", { type: "button", disabled: page === 0, onclick: () => turn(-1) }, words.previous),
    element("label", {}, words.page, field, words.ofPages(number(nPages))),
    element("button", { type: "button", disabled: page + 1 >= nPages, onclick: () => turn(1) }, words.next),
  );
}

/** Moves the focus among the cards by an arrow key; the first card takes it where none has it. */
export function moveFocus(place, event) {
  const links = [...place.querySelectorAll(".card a")];
  const at = links.indexOf(document.activeElement);
  const nColumns = getComputedStyle(place).gridTemplateColumns.split(" ").length;
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -nColumns, ArrowDown: nColumns }[event.key];
  links[at < 0 ? 0 : at + step]?.focus();
}

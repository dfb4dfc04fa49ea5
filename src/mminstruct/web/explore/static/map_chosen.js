// What the lasso has caught: how many, a look at the first, and the way to the gallery.

import { picture } from "./picture.js";
import { element, fill } from "./shell.js";
import { words } from "./words/map.js";

const N_THUMBNAILS = 16;
const N_TEXTS = 8;
const MOST_INSTRUCTIONS = 100; // that a link to the gallery names

/** Fills `place` for the points in `state.chosen`; `acts` has `clear` and `toGallery`. */
export function drawChosen(place, state, acts) {
  const { map, chosen } = state;
  place.hidden = !chosen.length;
  if (!chosen.length) return;
  const leave = element("button", { type: "button", onclick: acts.clear }, words.clearChoice);
  const count = element("strong", {}, words.chosen(chosen.length));
  if (state.which === "samples") {
    const show = element("button", { type: "button", class: "primary", onclick: acts.toGallery }, words.toGallery);
    fill(place, element("div", { class: "acts" }, count, show, leave), thumbnails(map, chosen));
  } else {
    const [link, became] = wayToRows(map, chosen);
    fill(place, element("div", { class: "acts" }, count, link, leave), texts(map, chosen), became);
  }
}

function thumbnails(map, chosen) {
  const images = [...new Set(chosen.map((point) => map.image.ids[map.image.codes[point]]))].slice(0, N_THUMBNAILS);
  return element(
    "div",
    { class: "thumbs" },
    images.map((image) => picture(image)),
  );
}

function texts(map, chosen) {
  const shown = chosen
    .slice(0, N_TEXTS)
    .map((point) =>
      element(
        "li",
        {},
        map.text[point],
        map.detail[point] && element("span", { class: "soft" }, ` — ${map.detail[point]}`),
      ),
    );
  const rest = chosen.length - N_TEXTS;
  return element("ul", {}, shown, rest > 0 && element("li", { class: "soft" }, words.more(rest)));
}

/** A link to the rows of the general instructions that the chosen ones became, and their texts. */
function wayToRows(map, chosen) {
  const column = map.colours.cluster;
  const codes = [...new Set(chosen.map((point) => column.codes[point]))].filter((code) => column.ids[code]);
  if (!codes.length) return [element("span", { class: "soft" }, words.noneBecame), null];
  if (codes.length > MOST_INSTRUCTIONS)
    return [element("span", { class: "soft" }, words.tooMany(codes.length, MOST_INSTRUCTIONS)), null];
  const query = new URLSearchParams(codes.map((code) => ["instruction", column.ids[code]]));
  const link = element("a", { class: "button primary", href: `/gallery?${query}` }, words.toGallery);
  const alone = chosen.length === 1 && map.text[chosen[0]] !== column.values[codes[0]];
  return [
    link,
    alone &&
      element(
        "p",
        { class: "became" },
        element("span", { class: "soft" }, words.became),
        element("span", {}, column.values[codes[0]]),
      ),
  ];
}

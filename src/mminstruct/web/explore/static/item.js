// Renders one row's whole story (GET /api/items/ID): picture and texts, then everything that led to them.
//
// renderStory gives both; review.js takes the halves apart, for it puts fields of its own between them.

import { badges } from "./badges.js";
import { element } from "./dom.js";
import { picture } from "./picture.js";
import { provenance } from "./provenance.js";
import { words as ownWords } from "./words/item.js";

/** The whole story as one element: picture and description left, the rest right. */
export function renderStory(story, { words = ownWords } = {}) {
  return element(
    "article",
    { class: "story" },
    renderPicture(story, { words }),
    element("div", { class: "told" }, renderTexts(story, { words }), renderProvenance(story, { words })),
  );
}

/** The image as large as its place, with its description and where it comes from. */
export function renderPicture(story, { words = ownWords } = {}) {
  const { item, image } = story;
  const { width, height } = item.width ? item : (image ?? {});
  const description = image?.description ?? "";
  return element(
    "figure",
    { class: "seen" },
    picture(item.image_id, { large: true, alt: description || words.pictureOf(item.id), width, height }),
    element(
      "figcaption",
      {},
      description && [element("h3", {}, words.description), element("p", { class: "text" }, description)],
      image?.described_by && element("p", { class: "soft" }, words.describedBy(image.described_by)),
      captionsOf(image, words),
      element(
        "p",
        { class: "soft" },
        [width && words.pixels(width, height), item.source, image?.file_name].filter(Boolean).join(" · "),
      ),
    ),
  );
}

/** What became of the row, its instruction and its answer. */
export function renderTexts(story, { words = ownWords } = {}) {
  const { item } = story;
  return element(
    "section",
    { class: "texts" },
    badges(item),
    element("h2", {}, item.instruction ?? words.noInstruction),
    item.reason && element("p", { class: "why" }, words.rejectedAt(item.stage, item.detail)),
    element("p", { class: "text answer" }, item.answer || words.noAnswer),
  );
}

/** How the row came about: one part that folds for each step of the method. */
export const renderProvenance = (story, { words = ownWords } = {}) =>
  element("div", { class: "provenance" }, provenance(story, words));

/** The source's own captions, where the description is not simply the one of them. */
function captionsOf(image, words) {
  const captions = (image?.captions ?? []).filter((caption) => caption.trim() && caption !== image.description);
  if (!captions.length || (!image.described_by && captions.length < 2)) return null;
  return element(
    "details",
    {},
    element("summary", {}, words.captions(captions.length)),
    element(
      "ul",
      { class: "texts-list" },
      captions.map((caption) => element("li", {}, caption)),
    ),
  );
}

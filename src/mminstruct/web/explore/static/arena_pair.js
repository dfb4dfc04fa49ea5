// What an annotator looks at: the question with its picture, and two answers without names; after the vote, the names.

import { badge } from "./badges.js";
import { picture } from "./picture.js";
import { element, fill } from "./shell.js";
import { words } from "./words/arena.js";

const SIDES = ["left", "right"];

/** Draws a comparison of GET /api/arena/next into `place`. */
export function drawPair(place, comparison) {
  fill(
    place,
    question(comparison),
    element("div", { class: "answers" }, SIDES.map((side, index) => answer(side, words.answers[index], comparison[side]))),
  );
}

/** Puts the names of the reply to a vote above the answers, and marks what was voted for. */
export function drawVoted(place, voted) {
  for (const side of SIDES) {
    const article = place.querySelector(`.answer.${side}`);
    fill(article.querySelector("h2"), element("bdi", {}, voted[side]), mark(side, voted.vote));
    article.classList.toggle("chosen", voted.vote === side);
    article.classList.toggle("left-behind", SIDES.includes(voted.vote) && voted.vote !== side);
  }
}

function mark(side, vote) {
  if (vote === "tie") return badge(words.tie, "accent");
  if (vote === "both_bad") return badge(words.bad, "bad");
  return vote === side ? badge(words.yourVote, "good") : null;
}

function question(comparison) {
  const caption = comparison.caption.trim();
  return element(
    "section",
    { class: comparison.picture ? "question pictured" : "question", "aria-label": words.question },
    comparison.picture && picture(comparison.question_id, { alt: caption, large: true }),
    element(
      "div",
      { class: "asked" },
      element("p", { class: "instruction", dir: "auto" }, comparison.instruction),
      comparison.picture ? caption && foldedCaption(caption) : shownCaption(caption),
    ),
  );
}

const foldedCaption = (caption) =>
  element("details", { class: "caption" }, element("summary", {}, words.caption), element("p", { dir: "auto" }, caption));

const shownCaption = (caption) =>
  element("div", { class: "caption" }, element("h2", {}, words.noImage), element("p", { dir: "auto" }, caption || words.noCaption));

const answer = (side, name, text) =>
  element("article", { class: `answer ${side}` }, element("h2", {}, name), element("p", { class: "text", dir: "auto" }, text));

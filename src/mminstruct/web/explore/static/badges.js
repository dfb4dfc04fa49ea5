// What became of a row, in a word or two: small labels on cards and in stories.

import { element } from "./dom.js";
import { words } from "./words/badges.js";

const TONES = { kept: "good", benchmark: "accent", held_out: "warn", rejected: "bad", waiting: "plain" };
const DECISION_TONES = { keep: "good", drop: "bad", edit: "accent" };

/** One label; `tone` is good, bad, warn, accent or plain. */
export const badge = (text, tone = "plain", title = null) => element("span", { class: `badge ${tone}`, title }, text);

/** The labels of an ITEM: its status, for a reject the rule's name, and what a reviewer decided. */
export function badges(item) {
  return element(
    "p",
    { class: "badges" },
    badge(words.statuses[item.status] ?? item.status, TONES[item.status]),
    item.reason && item.status !== "held_out" && badge(readable(item.reason), "bad", item.detail),
    item.decision && badge(words.decisions[item.decision], DECISION_TONES[item.decision]),
  );
}

/** A code as words: "cannot_see" → "cannot see". */
export const readable = (code) => String(code).replaceAll("_", " ");

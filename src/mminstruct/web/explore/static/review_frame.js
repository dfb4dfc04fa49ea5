// What stands around the row that is reviewed: how far the reviewer is, the filters, the buttons, what is not saved yet.

import { drawChips } from "./chips.js";
import { askForName } from "./name_form.js";
import { changed, go, here } from "./place.js";
import { element, emptiness, fill, main, withQuery } from "./shell.js";
import { words } from "./words/review.js";

const SHOWN_KEYS = { keep: "K", drop: "D", edit: "E", undo: "U", note: "N", previous: "←", next: "→" };

/** Fills <main> and returns its parts; `acts` are the functions of the buttons. */
export function layOut(acts) {
  const made = {
    status: element("div", { class: "status" }),
    unsaved: element("div", { class: "unsaved", "aria-live": "assertive" }),
    row: element("div", { class: "story" }),
    note: element("div", { class: "note-place" }),
  };
  const button = (name, text, kind) =>
    element(
      "button",
      { type: "button", class: kind, onclick: acts[name], "aria-label": words.labels[name], title: words.labels[name] },
      text && element("span", {}, text),
      element("kbd", { "aria-hidden": "true" }, SHOWN_KEYS[name]),
    );
  made.bar = element(
    "div",
    { class: "actions", role: "group", "aria-label": words.actions, hidden: true },
    made.note,
    element("div", { class: "choices" }, Object.entries(words.choices).map(([name, text]) => button(name, text, name))),
    element(
      "div",
      { class: "beside" },
      button("undo", words.undo, "quiet"),
      button("note", words.addNote, "quiet"),
      button("previous", "", "quiet"),
      button("next", "", "quiet"),
    ),
  );
  main().classList.add("review");
  fill(main(), element("h1", { class: "visually-hidden" }, words.title), made.status, made.unsaved, made.row, made.bar);
  return made;
}

/** Asks for the reviewer's name. */
export function whoReviews(parts, name, keep) {
  parts.bar.hidden = true;
  fill(parts.status);
  askForName(parts.row, { id: "reviewer", longest: 100, name, words, begin: (given) => given && keep(given) });
}

/** How far the reviewer is, under which filters, and by which name. */
export function drawStatus({ status }, { item, counts, name, filters, rename }) {
  const chips = element("div", { class: "chips", role: "group", "aria-label": words.filters });
  // An id says nothing to a reader, and the row has its text.
  const facets = { instruction: item ? [{ value: item.instruction_id, label: item.instruction }] : [] };
  drawChips(chips, facets, filters, (changes) => go(changed(here(), { ...changes, at: null })));
  fill(
    status,
    element(
      "p",
      { class: "done" },
      element("progress", { max: Math.max(1, counts.total), value: counts.n_done, "aria-label": words.progressLabel }),
      item && element("strong", {}, words.position(item.position, counts.total)),
      element("span", { class: "soft" }, words.progress(counts.n_done, counts.n_left)),
    ),
    chips,
    element("a", { class: "soft", href: withQuery("/gallery", filters) }, words.toGallery),
    element(
      "p",
      { class: "who" },
      element("span", { class: "soft" }, words.reviewingAs, " "),
      element("bdi", {}, name),
      element("button", { type: "button", class: "quiet small", onclick: rename }, words.change),
    ),
  );
}

/** What is not saved yet and why, or which decision the server did not take. */
export function drawUnsaved(place, { n, why, refused }, outbox, goTo) {
  if (refused) return fill(place, refusal(place, refused, goTo));
  if (!n) return place.querySelector(".refused") ? place : fill(place);
  return fill(
    place,
    element(
      "div",
      { class: "told-unsaved" },
      element("p", {}, element("strong", {}, words.unsaved(n)), " ", why, " ", words.triedAgain),
      element("button", { type: "button", onclick: outbox.tryNow }, words.tryNow),
    ),
  );
}

const refusal = (place, { body, why }, goTo) =>
  element(
    "div",
    { class: "told-unsaved refused" },
    element("p", {}, element("strong", {}, words.refusedOne), " ", why),
    element("button", { type: "button", onclick: () => goTo(body.id) }, words.goThere),
    element("button", { type: "button", onclick: () => fill(place) }, words.dismiss),
  );

/** The end: all decided, or nothing to decide about. */
export function nothingLeft({ total }) {
  const link = (query, text) => element("a", { class: "button", href: `/review${query}` }, text);
  if (!total) return emptiness(words.nothing, words.nothingWhy, link("?status=kept", words.allRows));
  return emptiness(
    words.allDone,
    words.allDoneWhy(total),
    element("p", {}, words.honours),
    element("code", {}, words.exportHint),
    link("?decision=drop", words.lookAgain),
  );
}

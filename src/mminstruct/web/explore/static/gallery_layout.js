// Where things stand in the gallery: the search field, the order, and places for all that gallery.js fills.

import { drawSkeleton } from "./grid.js";
import { changed, go, here } from "./place.js";
import { debounced, element, fill, main } from "./shell.js";
import { words } from "./words/gallery.js";

const SORTS = ["order", "-score", "score", "-words", "words", "random"];
const PAUSE_MS = 250; // without a key, before what was typed is searched for

/** Fills <main> and returns its parts by name. */
export function layOut(about) {
  const parts = {
    search: searchField(),
    sort: sortField(),
    facets: element("div", { class: "facets" }),
    summary: element("summary", {}, words.filters),
    chips: element("div", { class: "chips" }),
    indexing: element("p", { class: "indexing", role: "status" }),
    total: element("p", { class: "total", role: "status" }),
    review: element("a", { class: "button", hidden: true }, words.review),
    cards: element("div", { class: "cards" }),
    pages: element("nav", { class: "pages", "aria-label": words.pages }),
  };
  parts.filters = element("details", { class: "filters" }, parts.summary, parts.facets);
  parts.filters.open = matchMedia("(min-width: 960px)").matches;
  main().classList.add("gallery");
  fill(main(), element("h1", { class: "visually-hidden" }, words.title), parts.filters, rowsOf(parts, about));
  drawSkeleton(parts.cards);
  return parts;
}

function rowsOf(parts, about) {
  const sorting = element("label", { class: "sorting", for: "sort" }, element("span", {}, words.sort), parts.sort);
  return element(
    "section",
    { class: "rows", "aria-label": words.rows },
    element("div", { class: "bar" }, parts.search, sorting),
    parts.chips,
    unread(about.problems ?? []),
    parts.indexing,
    element("div", { class: "counted" }, parts.total, parts.review),
    parts.cards,
    parts.pages,
  );
}

function searchField() {
  const field = element("input", {
    type: "search",
    "aria-label": words.search,
    placeholder: words.search,
    maxlength: 500,
  });
  const search = () => go(changed(here(), { q: field.value.trim() || null }));
  field.addEventListener("input", debounced(search, PAUSE_MS));
  return field;
}

function sortField() {
  const options = SORTS.map((key) => element("option", { value: key }, words.sorts[key]));
  const field = element("select", { id: "sort" }, options);
  field.addEventListener("change", () => go(changed(here(), { sort: field.value === "order" ? null : field.value })));
  return field;
}

/** What of the run cannot be read, if anything: its rows are missing here. */
function unread(problems) {
  if (!problems.length) return null;
  const reasons = problems.map((why) => element("p", {}, why));
  return element("details", { class: "unread" }, element("summary", {}, words.unread(problems.length)), reasons);
}

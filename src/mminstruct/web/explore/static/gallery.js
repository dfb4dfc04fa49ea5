// The gallery: the run's rows as cards, with filters that count, search, sorting and pages. One row's story opens above
// it (sample.js). The address holds all of the state: every change goes through place.js; `show` draws what it says.

import { drawChips } from "./chips.js";
import { drawFilters } from "./filters.js";
import { layOut } from "./gallery_layout.js";
import { drawCards, drawPages, moveFocus } from "./grid.js";
import { watchIndex } from "./indexing.js";
import { changed, filtersOf, go, here } from "./place.js";
import { openSample } from "./sample.js";
import { api, bindKeys, element, emptiness, fill, number, openShell, problem, withQuery } from "./shell.js";
import { words } from "./words/gallery.js";

const SIZE = 60; // a multiple of 2, 3, 4, 5 and 6 columns

const about = await openShell("gallery", words.title);
const parts = layOut(about);
let drawn = null; // the query of the cards that stand there, without `sample`
let countedFor = null; // the filters whose counts stand there
let loaded = Promise.resolve(); // once the cards of the address stand there
let stopped = new AbortController();
let shown = { items: [], page: 0, nPages: 0 };

bindKeys([
  { keys: ["j"], label: words.nextPage, act: () => turn(1) },
  { keys: ["k"], label: words.previousPage, act: () => turn(-1) },
  {
    keys: ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"],
    label: words.moveFocus,
    act: (event) => moveFocus(parts.cards, event),
  },
  { keys: ["Enter"], label: words.openSample, act: () => {} },
  { keys: ["f"], label: words.goToFilters, act: focusFilters },
]);
const sample = openSample({ about, neighbour, close: () => go(changed(here(), { sample: null }), { replace: true }) });
parts.cards.addEventListener("click", openCard);
window.addEventListener("popstate", show);
show();

/** Draws what the address says; the cards and filters only where something other than the open sample changed. */
async function show() {
  const query = here();
  const opened = query.get("sample");
  query.delete("sample");
  if (drawn === query.toString()) return sample.show(opened, shown.items);
  loaded = load(query);
  sample.show(opened, null); // the story need not wait for the cards behind it
  await loaded;
  return sample.show(here().get("sample"), shown.items);
}

async function load(query) {
  drawn = query.toString();
  stopped.abort();
  stopped = new AbortController();
  const { signal } = stopped;
  if (document.activeElement !== parts.search) parts.search.value = query.get("q") ?? "";
  parts.sort.value = query.get("sort") ?? "order";
  parts.cards.setAttribute("aria-busy", "true");
  const filters = filtersOf(query);
  parts.review.href = withQuery("/review", filters);
  if (countedFor !== filters.toString()) loadFilters(filters, signal); // other pages have the same counts
  fill(parts.indexing);
  if (query.has("q")) watchIndex(parts.indexing, signal);
  try {
    const found = await api("/api/items", {
      query: changed(query, { size: SIZE, page: query.get("page") ?? 0 }),
      signal,
    });
    drawFound(found, filters);
  } catch (error) {
    if (error.name === "AbortError") return;
    fill(parts.total);
    fill(parts.pages);
    fill(parts.cards, problem(error, reload));
  }
  parts.cards.removeAttribute("aria-busy");
}

function reload() {
  drawn = countedFor = null;
  show();
}

function drawFound(found, filters) {
  shown = { items: found.items, page: found.page, nPages: Math.ceil(found.total / found.size) };
  fill(parts.total, words.found(found.total, about.n_items));
  parts.review.hidden = !found.total || !about.views.includes("review");
  if (found.items.length) drawCards(parts.cards, found.items);
  else fill(parts.cards, nothing(filters, found.total));
  drawPages(parts.pages, shown, turn);
}

function nothing(filters, total) {
  const clear = () => go(new URLSearchParams());
  if (total)
    return emptiness(
      words.noSuchPage,
      words.fewerPages(shown.nPages),
      button(words.firstPage, () => go(changed(here(), { page: null }))),
    );
  if (filters.size) return emptiness(words.nothingFound, words.loosen, button(words.clear, clear));
  return emptiness(words.empty, words.emptyRun);
}

const button = (text, act) => element("button", { type: "button", onclick: act }, text);

async function loadFilters(filters, signal) {
  // With what stands in the search field: it may have been typed a moment ago, and not be searched for yet.
  const change = (changes) => go(changed(here(), { q: parts.search.value.trim() || null, ...changes }));
  countedFor = null; // until they are drawn: who goes back before that must not keep a box that is ticked
  try {
    const facets = await api("/api/facets", { query: filters, signal });
    countedFor = filters.toString();
    drawFilters(parts.facets, facets, filters, change);
    drawChips(parts.chips, facets, filters, change);
    fill(
      parts.summary,
      words.filters,
      filters.size ? element("span", { class: "badge accent" }, number(new Set(filters.keys()).size)) : null,
    );
  } catch (error) {
    if (error.name !== "AbortError")
      fill(
        parts.facets,
        problem(error, () => loadFilters(filters, signal)),
      );
  }
}

/** Goes `step` pages on. */
function turn(step) {
  const page = shown.page + step;
  if (page < 0 || page >= shown.nPages) return;
  go(changed(here(), { page: page || null }));
  window.scrollTo({ top: 0 });
}

/** Opens the row `step` cards from `id`, on the next or the previous page where this one ends. */
async function neighbour(id, step) {
  await loaded; // whoever is fast may be on a page whose cards are still to come
  const at = shown.items.findIndex((item) => item.id === id);
  if (at < 0) return undefined; // its neighbours are on no page that is known
  const index = at + step;
  const query = here();
  if (query.get("sample") !== id) return undefined; // closed, or another is open by now
  if (shown.items[index]) return go(changed(query, { sample: shown.items[index].id }), { replace: true });
  const page = shown.page + step;
  if (page < 0 || page >= shown.nPages) return undefined;
  const other = changed(query, { page: page || null });
  const found = await api("/api/items", { query: changed(other, { size: SIZE, page, sample: null }) });
  if (here().toString() !== query.toString()) return undefined;
  return go(changed(other, { sample: found.items.at(step > 0 ? 0 : -1)?.id ?? null }), { replace: true });
}

function focusFilters() {
  parts.filters.open = true;
  parts.filters.querySelector("input")?.focus();
}

/** A plain click opens the row here; with a modifier the browser opens the link in a new tab. */
function openCard(event) {
  const link = event.target.closest(".card a");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  go(new URL(link.href).searchParams);
}

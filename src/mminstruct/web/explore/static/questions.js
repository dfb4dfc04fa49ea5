// The question browser: questions with filters on the left, one question's whole story on the right.
//
// The address holds all of the state: filters, page, `id` of the open question, `left` and `right` of the pair shown.

import { drawPages } from "./grid.js";
import { go, here } from "./place.js";
import { drawFilters } from "./question_filters.js";
import { drawList } from "./question_list.js";
import { drawQuestion } from "./question_story.js";
import { api, bindKeys, debounced, element, emptiness, fill, main, openShell, problem } from "./shell.js";
import { words } from "./words/questions.js";

const SIZE = 50;
const FILTERS = ["q", "instruction", "category", "model", "against", "judge", "verdict", "disagreement"];
const OF_QUESTION = ["id", "left", "right"];

const about = await openShell("questions", words.title);
const parts = layOut();
let listed = null; // the query of the list that stands there
let asked = null; // the query of the question that was asked for last
let opened = null; // the query of the question that stands there
let story = null; // what GET /api/questions/{id} said

bindKeys([
  { keys: ["j", "ArrowRight"], label: words.next, act: () => step("after") },
  { keys: ["k", "ArrowLeft"], label: words.previous, act: () => step("before") },
  { keys: ["p"], label: words.nextPair, act: nextPair },
  { keys: ["f"], label: words.goToFilters, act: focusFilters },
  { keys: ["Escape"], label: words.back, act: () => go(set(here(), { id: null, left: null, right: null })) },
]);

function layOut() {
  const search = element("input", { type: "search", "aria-label": words.search, placeholder: words.search, maxlength: 500 });
  search.addEventListener("input", debounced(() => change({}), 250));
  const filters = element("details", { class: "filters" });
  filters.open = matchMedia("(min-width: 960px)").matches;
  const fields = element("div", { class: "fields" });
  filters.append(element("summary", {}, words.filters), fields);
  const made = {
    search, filters, fields,
    total: element("p", { class: "total", role: "status" }),
    list: element("ol", { class: "list" }),
    pages: element("nav", { class: "pages", "aria-label": words.list }),
    story: element("article", { class: "story", tabindex: -1, "aria-label": words.title }),
  };
  const side = element("section", { class: "side", "aria-label": words.list }, search, filters, made.total, made.list, made.pages);
  main().classList.add("questions");
  fill(main(), element("h1", { class: "visually-hidden" }, words.title), side, made.story);
  return made;
}

/** A copy of a query with some keys set, and others taken out with null; another filter begins at the first page. */
function set(query, changes) {
  const made = new URLSearchParams(query);
  for (const [name, value] of Object.entries(changes)) value === null ? made.delete(name) : made.set(name, value);
  if (Object.keys(changes).some((name) => FILTERS.includes(name))) made.delete("page");
  return made;
}

// With what stands in the search field: it may have been typed a moment ago, and not be searched for yet.
const change = (changes) => go(set(here(), { q: parts.search.value.trim() || null, ...changes }));
const filtersOf = (query) => new URLSearchParams([...query].filter(([name]) => FILTERS.includes(name)));

function show() {
  const query = here();
  main().classList.toggle("opened", query.has("id"));
  const ofList = set(query, { id: null, left: null, right: null }).toString();
  if (listed !== ofList) loadList(query, ofList);
  showStory(query);
}

async function loadList(query, ofList) {
  listed = ofList;
  if (document.activeElement !== parts.search) parts.search.value = query.get("q") ?? "";
  parts.list.setAttribute("aria-busy", "true");
  try {
    const page = query.get("page") ?? 0;
    const found = await api("/api/questions", { query: set(filtersOf(query), { page, size: SIZE }) });
    if (listed === ofList) drawFound(found, query);
  } catch (error) {
    if (listed !== ofList) return;
    listed = null;
    fill(parts.total);
    fill(parts.list, element("li", {}, problem(error, show)));
  }
  parts.list.removeAttribute("aria-busy");
}

function drawFound(found, query) {
  const filters = filtersOf(query);
  drawFilters(parts.fields, found, filters, change);
  const clear = element("button", { type: "button", class: "quiet small", onclick: () => change(Object.fromEntries(FILTERS.map((name) => [name, null]))) }, words.clear);
  fill(parts.total, words.found(found.total, about.n_items), filters.size > 0 && clear);
  if (found.questions.length) drawList(parts.list, found.questions, (id) => set(here(), { id, left: null, right: null }), query.get("id"), query.get("model") ?? "");
  else fill(parts.list, element("li", {}, emptiness(words.nothingFound, words.loosen)));
  const nPages = Math.ceil(found.total / found.size);
  drawPages(parts.pages, { page: found.page, nPages }, (by) => go(set(here(), { page: found.page + by || null })));
}

async function showStory(query) {
  const id = query.get("id");
  for (const item of parts.list.querySelectorAll("[data-id]")) mark(item, item.dataset.id === id);
  if (id === null) {
    asked = opened = story = null;
    fill(parts.story, emptiness(words.choose, words.chooseWhy));
    return;
  }
  const wanted = set(query, { page: null, left: null, right: null }).toString();
  const isOnItsWay = asked === wanted;
  asked = wanted;
  if (opened !== wanted && (isOnItsWay || !(await loadStory(query, id, wanted)))) return;
  drawQuestion(parts.story, story, { query: here(), step, back: () => go(set(here(), { id: null, left: null, right: null })), choose: choosePair });
}

/** Whether the question that is asked for is the one that has come. */
async function loadStory(query, id, wanted) {
  try {
    const found = await api(`/api/questions/${encodeURIComponent(id)}`, { query: filtersOf(query) });
    if (asked !== wanted) return false;
    story = found;
  } catch (error) {
    if (asked !== wanted) return false;
    asked = opened = story = null;
    fill(parts.story, problem(error, show));
    return false;
  }
  const isOther = new URLSearchParams(opened ?? "").get("id") !== id;
  opened = wanted;
  if (isOther) window.scrollTo({ top: 0 });
  return true;
}

function mark(item, isOpen) {
  if (isOpen) item.setAttribute("aria-current", "true");
  else item.removeAttribute("aria-current");
  if (isOpen) item.scrollIntoView({ block: "nearest" });
}

function step(way) {
  const id = story?.place[way] ?? (here().has("id") ? null : parts.list.querySelector("[data-id]")?.dataset.id);
  if (id !== null && id !== undefined) go(set(here(), { id, left: null, right: null }), { replace: here().has("id") });
}

const choosePair = (left, right) => go(set(here(), { left, right }), { replace: true });

function nextPair() {
  const chips = [...parts.story.querySelectorAll(".pairs button")];
  chips[(chips.findIndex((chip) => chip.getAttribute("aria-pressed") === "true") + 1) % chips.length]?.click();
}

function focusFilters() {
  parts.filters.open = true;
  parts.fields.querySelector("select")?.focus();
}

window.addEventListener("popstate", show);
show();

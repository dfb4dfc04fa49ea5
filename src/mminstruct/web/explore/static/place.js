// Where the reader is: the query of the page's address. It is handed to the API as it is, so a link keeps everything.

/** The filters of GET /api/items, in the order in which their chips stand. */
export const FILTERS = [
  "q",
  "selection",
  "status",
  "stage",
  "reason",
  "category",
  "source",
  "instruction",
  "image",
  "decision",
  "score_min",
  "score_max",
  "words_min",
  "words_max",
];

/** The query as it stands in the address bar. */
export const here = () => new URLSearchParams(location.search);

/** The filters of a query, and nothing else of it. */
export const filtersOf = (query) => new URLSearchParams([...query].filter(([name]) => FILTERS.includes(name)));

/** A copy of `query` with some keys set: a text, a list of texts, or null for none. A new filter begins at page one. */
export function changed(query, changes) {
  const made = new URLSearchParams(query);
  for (const [name, value] of Object.entries(changes)) {
    made.delete(name);
    for (const single of [value].flat()) if (single !== null && single !== "") made.append(name, single);
  }
  if (Object.keys(changes).some((name) => FILTERS.includes(name) || name === "sort")) made.delete("page");
  return made;
}

/** The values of the filter `name` in `query`, without `value`. */
export const others = (query, name, value) => query.getAll(name).filter((one) => one !== value);

/** `query` with `value` of the filter `name` taken out where it is in, put in where it is not. */
export function toggled(query, name, value) {
  const rest = others(query, name, value);
  return changed(query, { [name]: query.getAll(name).includes(value) ? rest : [...rest, value] });
}

/** The address of the same page with another query. */
export const addressOf = (query) => (query.toString() ? `${location.pathname}?${query}` : location.pathname);

/** Goes to another query; `replace` where Back should not lead to the one before. */
export function go(query, { replace = false } = {}) {
  const address = addressOf(query);
  if (address === location.pathname + location.search) return;
  history[replace ? "replaceState" : "pushState"](null, "", address);
  window.dispatchEvent(new PopStateEvent("popstate"));
}

// The rows to review, in the run's order; the next ones are here, with their stories and pictures, before they are asked for.

import { api } from "./api.js";

const AHEAD = 3; // rows that wait

/**
 * The rows under `filters` (URLSearchParams). `isDone(id)`: decided here, whether the server knows it yet or not;
 * `isSettled()`: the server knows all.
 */
export function openQueue(filters, isDone, isSettled) {
  const stories = new Map(); // id → promise of GET /api/items/ID
  let ahead = [];
  let counts = null;
  let filling = null;
  // Who looks at decided rows (decision=drop, say) walks through all of them.
  const undecided = filters.getAll("decision").some((value) => value !== "none") ? null : 1;

  async function ask(query) {
    const wasSettled = isSettled();
    const found = await api("/api/review/next", { query: merged(filters, query) });
    // While a decision is on its way the server may or may not have counted it; the page has.
    if (!counts || (wasSettled && isSettled())) {
      counts = { total: found.total, n_done: found.n_done, n_left: found.n_left };
    }
    return found.items;
  }

  /** The row to begin with: `at` where it is given and still there, else the first that is undecided. */
  async function first(at) {
    forget();
    const items = at ? await ask({ at, size: 1 }) : [];
    if (items[0]?.id === at && at) return items[0];
    return (await ask({ undecided, size: 1 }))[0] ?? null;
  }

  /** The next row that is to be decided, null where none is left. */
  async function next(after) {
    ahead = ahead.filter((item) => !isDone(item.id) && item.id !== after);
    if (!ahead.length) await filling;
    ahead = ahead.filter((item) => !isDone(item.id) && item.id !== after);
    if (!ahead.length) await refill(after);
    return ahead.shift() ?? null;
  }

  /** The row right behind (step 1) or before (step -1) another one, decided or not. */
  async function beside(id, step) {
    forget();
    return (await ask({ [step > 0 ? "after" : "before"]: id, size: 1 }))[0] ?? null;
  }

  /** Lets go of the rows that wait: another row than the one before them is shown. */
  function forget() {
    ahead = [];
  }

  /** Fetches what comes behind the row that is shown now, once `settled`, a promise, is. */
  function prefetch(after, settled) {
    const begun = settled.then(() => (ahead.length > 1 ? null : refill(after)));
    filling = begun.catch(() => {}); // asked again, and told, when it is needed
  }

  async function refill(after) {
    const items = await ask({ after, undecided, size: AHEAD });
    ahead = items.filter((item) => !isDone(item.id) && item.id !== after);
    for (const item of ahead) {
      story(item.id).catch(() => {});
      if (item.image_id) new Image().src = `/picture/${encodeURIComponent(item.image_id)}`;
    }
  }

  /** The row's whole story, asked for once. */
  function story(id) {
    if (!stories.has(id)) {
      if (stories.size > 20) stories.delete(stories.keys().next().value);
      stories.set(id, api(`/api/items/${encodeURIComponent(id)}`));
      stories.get(id).catch(() => stories.delete(id));
    }
    return stories.get(id);
  }

  return { first, next, beside, forget, prefetch, story, counts: () => counts ?? { total: 0, n_done: 0, n_left: 0 } };
}

function merged(filters, query) {
  const made = new URLSearchParams(filters);
  for (const [name, value] of Object.entries(query)) if (value !== null && value !== undefined) made.set(name, value);
  return made;
}

// The rows to review, in the run's order; the next ones are here, with their stories and pictures, before they are asked for.

import { api } from "./api.js";

const AHEAD = 3; // rows that wait

/**
 * The rows under `filters` (URLSearchParams). `isDone(id)`: decided here, whether the server knows it yet or not;
 * `settledAt()`: how many decisions there were so far, null where the server does not know all of them.
 */
export function openQueue(filters, isDone, settledAt) {
  const stories = new Map(); // id → promise of GET /api/items/ID
  let ahead = [];
  let walk = 0; // raised where the rows that wait are let go of: what was asked for before is not for this walk
  let counts = null;
  let filling = null;
  // Who looks at decided rows (decision=drop, say) walks through all of them.
  const undecided = filters.getAll("decision").some((value) => value !== "none") ? null : 1;

  async function ask(query) {
    const before = settledAt();
    const found = await api("/api/review/next", { query: merged(filters, query) });
    // Where a decision was on its way, the server may or may not have counted it; the page has.
    if (!counts || (before !== null && before === settledAt())) {
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

  /** The next row that is to be decided, null where none is left, or where another walk was begun meanwhile. */
  async function next(after) {
    const own = walk;
    ahead = toDecide(ahead, after);
    if (!ahead.length) await filling;
    if (own !== walk) return null;
    ahead = toDecide(ahead, after);
    if (!ahead.length) await refill(after);
    return own === walk ? (ahead.shift() ?? null) : null;
  }

  const toDecide = (items, after) => items.filter((item) => !isDone(item.id) && item.id !== after);

  /** The row right behind (step 1) or before (step -1) another one, decided or not. */
  async function beside(id, step) {
    forget();
    return (await ask({ [step > 0 ? "after" : "before"]: id, size: 1 }))[0] ?? null;
  }

  /** Lets go of the rows that wait: another row than the one before them is shown. */
  function forget() {
    walk += 1;
    ahead = [];
  }

  /** Fetches what comes behind the row that is shown now, once `settled`, a promise, is. */
  function prefetch(after, settled) {
    const own = walk;
    const begun = settled.then(() => (own !== walk || ahead.length > 1 ? null : refill(after)));
    filling = begun.catch(() => {}); // asked again, and told, when it is needed
  }

  async function refill(after) {
    const own = walk;
    const items = await ask({ after, undecided, size: AHEAD });
    if (own !== walk) return;
    ahead = toDecide(items, after);
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

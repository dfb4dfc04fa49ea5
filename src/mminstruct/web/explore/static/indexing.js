// Says how far the search index is, while somebody searches before it is whole.

import { api, fill } from "./shell.js";
import { words } from "./words/gallery.js";

const PAUSE_MS = 1000;

/** Watches the index while `signal` lasts, tells of it in `place`, and calls `ready` once it has become whole. */
export async function watchIndex(place, isSearching, ready, signal) {
  fill(place);
  for (let waited = false; isSearching && !signal.aborted; waited = true) {
    const status = await api("/api/search/status", { signal }).catch(() => null); // the gallery itself tells of errors
    if (!status || signal.aborted) return;
    fill(place, status.ready ? null : words.indexing(Math.floor(100 * status.progress)));
    if (status.ready) {
      if (waited) ready();
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

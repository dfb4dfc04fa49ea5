// Says how far the search index is, while somebody searches before it is whole: searches are slower until then.

import { api, fill } from "./shell.js";
import { words } from "./words/gallery.js";

const PAUSE_MS = 1000;

/** Watches the index while `signal` lasts and tells of it in `place`. */
export async function watchIndex(place, signal) {
  while (!signal.aborted) {
    const status = await api("/api/search/status", { signal }).catch(() => null); // the gallery itself tells of errors
    if (signal.aborted) return;
    fill(place, status && !status.ready ? words.indexing(Math.floor(100 * status.progress)) : null);
    if (!status || status.ready) return;
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

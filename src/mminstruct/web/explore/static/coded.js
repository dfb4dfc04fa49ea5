// Sentences of ours that name a command between backticks.

import { element } from "./dom.js";

/** "Run `mminstruct bench judge`." → text and <code> elements. */
export const coded = (text) => text.split("`").map((part, index) => (index % 2 ? element("code", {}, part) : part));

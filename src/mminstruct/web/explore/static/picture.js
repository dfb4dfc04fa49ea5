// One image of the collection, or a placeholder that says why it cannot be shown.

import { reasonOf } from "./api.js";
import { element, fill } from "./dom.js";
import { words } from "./words/picture.js";

/**
 * A frame with the image; its place is kept while it loads.
 *
 * `large` asks for the picture itself instead of its thumbnail. `width` and `height`, in pixels, give a large frame
 * its shape; a thumbnail's frame has the shape that CSS gives it.
 */
export function picture(imageId, { alt = "", large = false, width = null, height = null } = {}) {
  const frame = element("div", { class: large ? "picture large" : "picture" });
  if (large && width && height) frame.style.aspectRatio = `${width} / ${height}`;
  if (!imageId) return placeholder(frame, words.none);
  const address = `/${large ? "picture" : "thumb"}/${encodeURIComponent(imageId)}`;
  const image = element("img", { alt, decoding: "async", loading: large ? "eager" : "lazy", src: address });
  image.addEventListener("load", () => frame.classList.add("loaded"));
  image.addEventListener("error", () => explain(frame, address));
  frame.append(image);
  return frame;
}

/** Asks the server why, for an <img> only says that it failed. */
async function explain(frame, address) {
  placeholder(frame, words.broken);
  try {
    const response = await fetch(address, { credentials: "same-origin" });
    placeholder(frame, response.ok ? words.undecodable : await reasonOf(response));
  } catch {
    placeholder(frame, words.unreachable);
  }
}

function placeholder(frame, reason) {
  frame.classList.add("broken");
  frame.style.aspectRatio = "";
  frame.title = reason; // whole, where the frame is too small for it
  return fill(frame, element("p", {}, element("strong", {}, words.noPicture), element("span", {}, reason)));
}

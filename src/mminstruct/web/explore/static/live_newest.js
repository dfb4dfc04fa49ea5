// The newest rows, or rejects, as they come: those that are there already stay, new ones come in above them.

import { badge, readable } from "./badges.js";
import { picture } from "./picture.js";
import { element } from "./shell.js";
import { words } from "./words/live.js";

/** Draws ITEMs, newest first. */
export function drawNewest(place, items) {
  const list = place.querySelector("ol") ?? place.appendChild(element("ol", { class: "newest-list" }));
  place.querySelector("p.none")?.remove();
  if (!items.length) place.append(element("p", { class: "soft none" }, words.noNewest));
  const there = new Map([...list.children].map((entry) => [entry.dataset.key, entry]));
  const isFirst = there.size === 0;
  const entries = items.map((item) => {
    const key = JSON.stringify(item); // a row whose state has changed is drawn anew
    return there.get(key) ?? drawEntry(item, key, !isFirst && ![...there.values()].some((entry) => entry.dataset.id === item.id));
  });
  const staying = new Set(entries);
  for (const entry of [...list.children]) if (!staying.has(entry)) entry.remove();
  for (const [index, entry] of entries.entries()) {
    if (list.children[index] !== entry) list.insertBefore(entry, list.children[index] ?? null);
  }
}

function drawEntry(item, key, isNew) {
  // A reject of an early stage has no instruction: its text is what there is to read.
  const [title, more] = item.instruction ? [item.instruction, item.answer] : [item.answer || words.noText, ""];
  const href = `/gallery?sample=${encodeURIComponent(item.id)}`;
  const link = item.known ? element("a", { href }, title) : element("span", { title: words.notOnDisk }, title);
  return element(
    "li",
    { class: isNew ? "new" : null, dataset: { key, id: item.id } },
    item.image_id && picture(item.image_id),
    element(
      "div",
      {},
      element("h3", {}, link),
      more && element("p", { class: "answer" }, more),
      item.reason &&
        element(
          "p",
          { class: "badges", title: item.detail },
          badge(readable(item.reason), "bad"),
          element("span", { class: "soft" }, words.rejectedBy(item.stage)),
        ),
    ),
  );
}

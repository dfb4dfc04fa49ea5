// Keys of a view, and the page of help that lists them.

import { element, fill } from "./dom.js";
import { words } from "./words/shell.js";

const bindings = [];

/**
 * Binds keys: `[{keys: ["j", "ArrowRight"], label: "next page", act: () => …}]`.
 *
 * With `within` they hold while that dialog is the one on top, else while no dialog is open; the help lists them under
 * `heading`. They never take a key from somebody who is typing, except Escape, nor Enter and the space bar from a
 * button that has the focus.
 */
export function bindKeys(added, { within = null, heading = words.onThisPage } = {}) {
  bindings.push(...added.map((binding) => ({ ...binding, within, heading })));
}

/** Shows every key that holds on this page. */
export function showHelp() {
  const dialog = document.querySelector("#help") ?? document.body.appendChild(element("dialog", { id: "help" }));
  const close = () => dialog.close();
  fill(
    dialog,
    element(
      "header",
      {},
      element("h2", {}, words.keys),
      element("button", { type: "button", onclick: close }, words.close),
    ),
    [...Map.groupBy(bindings, (binding) => binding.heading)].map(([heading, bound]) => section(heading, bound)),
  );
  dialog.setAttribute("aria-label", words.keys);
  dialog.showModal();
}

const section = (heading, bound) => [
  element("h3", {}, heading),
  element("dl", { class: "keys" }, bound.filter((binding) => binding.label).map(line)),
];

function line(binding) {
  const names = binding.keys.map((key) => element("kbd", {}, words.keyNames[key] ?? key));
  return element("div", {}, element("dt", {}, names), element("dd", {}, binding.label));
}

function onKey(event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (isTaken(event)) return;
  const open = [...document.querySelectorAll("dialog:modal")].at(-1) ?? null;
  const found = bindings.find((binding) => binding.keys.includes(event.key) && binding.within === open);
  if (!found) return;
  event.preventDefault();
  found.act(event);
}

/** Whether the focused element wants the key for itself. */
function isTaken(event) {
  const target = event.target instanceof Element ? event.target : document.body;
  if (event.key === "Escape") return false;
  if (target.closest("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]")) return true;
  if (target.closest("[type=radio], [role=radiogroup]") && event.key.startsWith("Arrow")) return true;
  return ["Enter", " "].includes(event.key) && target.closest("a, button, summary, input, label") !== null;
}

document.addEventListener("keydown", onKey);

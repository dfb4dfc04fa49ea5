// One row's whole story in a dialog over the gallery: `?sample=ID` in the address opens it.

import { compareSection } from "./compare.js";
import { renderStory } from "./item.js";
import { api, bindKeys, element, fill, problem } from "./shell.js";
import { words } from "./words/sample.js";

/**
 * Makes the dialog; `show(id, items)` on what is returned opens it for the row, or closes it for null. `items` are the
 * cards behind it; null while they are not there yet.
 *
 * `neighbour(id, step)` goes to the row before (-1) or after (1); `close` takes the sample out of the address.
 */
export function openSample({ about, neighbour, close }) {
  const dialog = element("dialog", { class: "sample", "aria-label": words.title });
  const position = element("p", { class: "soft" });
  const body = element("div", { class: "body", tabindex: -1 });
  let current = null;
  const step = (by) => current && neighbour(current, by).catch((error) => fill(body, problem(error)));
  const [previous, next] = [
    [-1, "‹", words.previous],
    [1, "›", words.next],
  ].map(([by, sign, text]) =>
    element("button", { type: "button", "aria-label": text, title: text, onclick: () => step(by) }, sign),
  );
  const leave = element("button", { type: "button", onclick: () => dialog.close() }, words.close);
  dialog.append(element("header", {}, element("div", { class: "steps" }, previous, next), position, leave), body);
  document.body.append(dialog);
  // Escape closes a dialog by itself; the address follows.
  dialog.addEventListener("close", () => current !== null && close());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  bindKeys(
    [
      { keys: ["ArrowRight", "j"], label: words.next, act: () => step(1) },
      { keys: ["ArrowLeft", "k"], label: words.previous, act: () => step(-1) },
      { keys: ["Escape"], label: words.close, act: () => dialog.close() },
    ],
    { within: dialog, heading: words.title },
  );

  function show(id, items) {
    const before = current;
    current = id;
    if (id === null) {
      if (before !== null) leaveFor(before);
      return;
    }
    if (!dialog.open) dialog.showModal();
    if (items)
      tellPosition(
        items.findIndex((item) => item.id === id),
        items.length,
      );
    if (id !== before) load(id);
  }

  function tellPosition(index, n) {
    fill(position, index < 0 ? words.outside : words.position(index + 1, n));
    for (const button of [previous, next]) button.disabled = index < 0;
  }

  async function load(id) {
    if (!body.hasChildNodes()) fill(body, element("p", { class: "waiting" }, words.loading));
    body.setAttribute("aria-busy", "true");
    try {
      const story = await api(`/api/items/${encodeURIComponent(id)}`);
      if (current !== id) return;
      fill(body, renderStory(story), compareSection(story, about));
    } catch (error) {
      if (current !== id) return;
      fill(
        body,
        problem(error, () => load(id)),
      );
    }
    body.removeAttribute("aria-busy");
    body.scrollTop = 0;
    body.focus({ preventScroll: true });
  }

  function leaveFor(before) {
    if (dialog.open) dialog.close();
    fill(body);
    document.querySelector(`.card[data-id="${CSS.escape(before)}"] a`)?.focus();
  }

  return { show };
}

// Builds elements. Text enters the page as text nodes only, so nothing that a model, a caption or a file name says is
// ever read as markup.

/**
 * An element: `element("a", {class: "card", href: "/gallery", onclick: open}, "text", otherElement)`.
 * Keys that begin with `on` are listeners; `dataset` is an object; true sets an empty attribute; null, undefined and
 * false set none. Children that are null or false are left out; an array is its elements.
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "dataset") Object.assign(made.dataset, value);
    else made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...nodes(children));
  return made;
}

/** Replaces what is in `parent`, by the same rules as `element`. */
export function fill(parent, ...children) {
  parent.replaceChildren(...nodes(children));
  return parent;
}

/** Calls `act` once `wait_ms` have passed without another call. */
export function debounced(act, wait_ms) {
  let timer = 0;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => act(...values), wait_ms);
  };
}

const nodes = (children) =>
  children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);

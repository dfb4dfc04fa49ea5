// What every page of the explorer has: the header with its links, the theme, the help, and how to say things.
//
// A view's module begins with
//     const about = await openShell("gallery", words.title);
// and then fills `main()`. It builds elements with dom.js, talks to the server with api.js and binds keys with keys.js,
// all of which can be imported from here. Texts come from words/<view>.js; HTML files hold none.

import { api, ApiError } from "./api.js";
import { element, fill } from "./dom.js";
import { bindKeys, showHelp } from "./keys.js";
import { words } from "./words/shell.js";

export { api, ApiError, withQuery } from "./api.js";
export { debounced, element, fill } from "./dom.js";
export { bindKeys } from "./keys.js";

const THEMES = ["system", "light", "dark"];

/** The page's <main>, which the view fills. */
export const main = () => document.querySelector("main");

/** 12345 → "12,345". */
export const number = (value) => new Intl.NumberFormat("en").format(value);

/**
 * Draws the header, binds the keys of every page, and returns what GET /api/about says.
 *
 * Where the server is not reached it shows so in <main> and never returns: there is no page without it.
 */
export async function openShell(view, title) {
  document.title = `${title} · ${words.product}`;
  fill(document.querySelector(".skip"), words.skip);
  const everywhere = [
    { keys: ["?"], label: words.showKeys, act: showHelp },
    { keys: ["/"], label: words.search, act: focusSearch },
  ];
  bindKeys(everywhere, { heading: words.everywhere });
  try {
    const about = await api("/api/about");
    drawHeader(view, about);
    document.title = `${title} · ${about.name} · ${words.product}`;
    return about;
  } catch (error) {
    fill(
      main(),
      problem(error, () => location.reload()),
    );
    return new Promise(() => {});
  }
}

/** A notice of what went wrong, with a button to try again. Anything but an ApiError is a bug: it is thrown on. */
export function problem(error, retry = null) {
  if (!(error instanceof ApiError)) throw error;
  return element(
    "div",
    { class: "notice bad", role: "alert" },
    element("p", {}, error.message),
    retry && element("button", { type: "button", onclick: retry }, words.again),
  );
}

/** A notice that there is nothing to show, and what to do about it; `children` are buttons or links. */
export const emptiness = (heading, text, ...children) =>
  element("div", { class: "notice" }, element("h2", {}, heading), element("p", {}, text), children);

/** Says a short thing at the foot of the page for some seconds, and to screen readers. */
export function announce(text) {
  const place =
    document.querySelector("#announcement") ??
    document.body.appendChild(element("div", { id: "announcement", role: "status", "aria-live": "polite" }));
  fill(place, text);
  place.classList.add("shown");
  clearTimeout(announce.timer);
  announce.timer = setTimeout(() => place.classList.remove("shown"), 4000);
}

function drawHeader(view, about) {
  const links = about.views.map((name) =>
    element("a", { href: `/${name}`, "aria-current": name === view ? "page" : null }, words.views[name] ?? name),
  );
  fill(
    document.querySelector("body > header"),
    element("p", { class: "name" }, element("strong", {}, about.name), element("span", {}, words.kinds[about.kind])),
    element("nav", { "aria-label": words.navigation }, links),
    element("div", { class: "tools" }, themeButton(), helpButton()),
  );
}

function themeButton() {
  const button = element("button", { type: "button", class: "quiet" });
  const show = (theme) => {
    fill(button, words.themes[theme]);
    button.title = words.changeTheme(words.themes[theme]);
    button.setAttribute("aria-label", button.title);
  };
  button.addEventListener("click", () => {
    const theme = THEMES[(THEMES.indexOf(window.mminstructTheme.kept()) + 1) % THEMES.length];
    window.mminstructTheme.choose(theme);
    show(theme);
  });
  show(window.mminstructTheme.kept());
  return button;
}

const helpButton = () =>
  element("button", { type: "button", class: "quiet", "aria-label": words.showKeys, onclick: showHelp }, "?");

function focusSearch() {
  const field = document.querySelector("input[type=search]");
  field?.focus();
  field?.select();
}

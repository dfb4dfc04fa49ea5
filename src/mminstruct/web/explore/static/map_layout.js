// Where things stand on the map's page: tabs, stage, legend and list, empty yet.

import { changed, go, here } from "./place.js";
import { element, fill, main } from "./shell.js";
import { words } from "./words/map.js";

/**
 * Fills <main> and returns its parts by name. `maps` are the tabs; `acts` are choose(map), zoom(steps), whole() and
 * toggleLasso().
 */
export function layOut(maps, acts) {
  const tab = (which) =>
    element(
      "button",
      { type: "button", role: "tab", dataset: { which }, onclick: () => acts.choose(which) },
      words.maps[which],
    );
  const tool = (sign, text, act) =>
    element("button", { type: "button", "aria-label": text, title: text, onclick: act }, sign);
  const made = {
    tabs: element("div", { class: "tabs", role: "tablist", "aria-label": words.title }, maps.map(tab)),
    colour: element("select", { id: "colour" }),
    total: element("p", { class: "total", role: "status" }),
    about: element("p", { class: "about" }),
    canvas: element("canvas", { tabindex: 0, role: "img" }),
    tip: element("div", { class: "tip", role: "status", hidden: true }),
    chosen: element("section", { class: "chosen", role: "status", hidden: true }),
    notice: element("div", { class: "notice", hidden: true }),
    lasso: tool("⬠", `${words.lasso}: ${words.lassoHint}`, () => acts.toggleLasso()),
    legend: element("section", { class: "legend", "aria-label": words.legend }),
    list: element("details", { class: "list" }),
  };
  made.lasso.setAttribute("aria-pressed", "false");
  made.canvas.addEventListener("pointermove", () => made.stage.classList.remove("seeking"));
  made.colour.addEventListener("change", () => go(changed(here(), { colour: made.colour.value })));
  const views = element(
    "div",
    { class: "view-tools" },
    tool("+", words.zoomIn, () => acts.zoom(1)),
    tool("−", words.zoomOut, () => acts.zoom(-1)),
    tool("⤢", words.whole, () => acts.whole()),
    made.lasso,
  );
  made.views = views;
  made.stage = element("div", { class: "stage" }, made.canvas, views, made.tip, made.chosen, made.notice);
  const choice = element("label", { class: "choice", for: "colour" }, element("span", {}, words.colour), made.colour);
  main().classList.add("map");
  fill(
    main(),
    element("h1", { class: "visually-hidden" }, words.title),
    element("div", { class: "tools-bar" }, made.tabs, choice, made.total),
    made.about,
    made.stage,
    made.legend,
    made.list,
  );
  return made;
}

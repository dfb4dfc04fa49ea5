// A run as it goes on: asked every two seconds, paused while the page is hidden; only what has changed is drawn anew.

import { drawFigures } from "./live_figures.js";
import { drawNewest } from "./live_newest.js";
import { drawCost, drawRejects, drawStages } from "./live_tables.js";
import { api, element, fill, main, openShell, problem } from "./shell.js";
import { words } from "./words/live.js";

const EVERY_MS = 2000;
const EVERY_MS_AT_REST = 10000; // no process works on the run, and nothing has changed; one may begin

const about = await openShell("live", words.title);
const parts = layOut();
const drawn = {}; // part → the JSON that stands there
let timer = 0;
let asking = false;
let hasChanged = false; // anything, by the last answer

document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : look()));
look();

function layOut() {
  const section = (name, title) => element("section", { class: name, "aria-label": title }, element("h2", {}, title), (made[name] = element("div", { class: "inner" })));
  const made = {
    state: element("div", { class: "state", role: "status" }),
    figures: element("div", { class: "figures-now" }),
    trouble: element("div", {}),
  };
  const left = element("div", { class: "column" }, section("stages", words.stages), section("cost", words.paid), section("rejects", words.rejects));
  const right = element("div", { class: "column" }, section("newest", words.newest), section("newest_rejects", words.newestRejects));
  main().classList.add("live");
  fill(main(), element("h1", { class: "visually-hidden" }, words.title), made.trouble, made.state, made.figures, element("div", { class: "columns" }, left, right));
  return made;
}

async function look() {
  clearTimeout(timer);
  if (asking || document.hidden) return;
  asking = true;
  let every_ms = EVERY_MS;
  try {
    const found = await api("/api/live", { signal: AbortSignal.timeout(30000) });
    fill(parts.trouble);
    hasChanged = false;
    draw(found);
    if (!found.running && !hasChanged) every_ms = EVERY_MS_AT_REST;
  } catch (error) {
    fill(parts.trouble, problem(error, look));
  }
  asking = false;
  timer = setTimeout(look, every_ms);
}

function draw(found) {
  const { state, why, rates, now } = found;
  once("state", { state, why, silent: rates ? silence(rates, now) : "", stage: rates?.stage ?? null }, drawState);
  once("figures", { rates: state === "running" ? rates : null, cost: found.cost, now: rates && now }, drawFigures);
  once("stages", found.stages, drawStages);
  once("cost", found.cost, drawCost);
  once("rejects", found.rejects, drawRejects);
  once("newest", found.newest, drawNewest);
  once("newest_rejects", found.newest_rejects, drawNewest);
}

/** Draws a part by `drawPart(place, content)` where its content is not what stands there. */
function once(name, content, drawPart) {
  const text = JSON.stringify(content);
  if (drawn[name] === text) return;
  drawn[name] = text;
  hasChanged = true;
  drawPart(parts[name], content);
}

/** How long no row has come, where that is worth saying. */
function silence({ points }, now) {
  const [, n] = points.at(-1);
  const since = points.find((point) => point[1] === n);
  const silent_s = now - since[0];
  return silent_s < 10 ? "" : words.silent(silent_s, since === points[0]);
}

function drawState(place, { state, why, silent, stage }) {
  const command = state === "done" ? words.commands.done.replace("RUN", about.name) : words.commands.other;
  const link = (href, text) => about.views.includes(href) && element("a", { class: "button", href: `/${href}` }, text);
  const tone = { running: "accent", done: "good", died: "bad", stopped: "warn" }[state] ?? "plain";
  fill(
    place,
    element("span", { class: `badge ${tone}` }, words.states[state]),
    state === "running" && element("p", { class: "soft" }, stage ? silent : words.starting),
    state !== "running" && element("p", {}, why && [element("span", { class: "why" }, words.saidLast(why)), element("br")], words.next[state], " ", element("code", {}, command)),
    state === "done" && element("p", { class: "links" }, link("gallery", words.toGallery), link("review", words.toReview)),
  );
}

// The tables of the live view: stages, what was paid, rejects by reason.

import { readable } from "./badges.js";
import { element, fill, number } from "./shell.js";
import { words } from "./words/live.js";

/** Draws one line a stage. A line that is there is changed, not replaced, so that its bar moves. */
export function drawStages(place, stages) {
  if (place.querySelectorAll("tbody tr").length !== stages.length) fill(place, frameOf(stages));
  const rows = place.querySelectorAll("tbody tr");
  for (const [index, stage] of stages.entries()) drawStage(rows[index], stage);
}

function frameOf(stages) {
  const { columns } = words;
  const row = (stage) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, stage.stage),
      element(
        "td",
        { class: "rows" },
        element("progress", { "aria-label": words.stageProgress(stage.stage) }),
        element("span", {}),
        element("small", { class: "soft" }),
      ),
      ["rejected", "rate", "time"].map((name) => element("td", { class: `number ${name}`, dataset: { name: columns[name] } })),
    );
  const head = ["stage", "rows"].map((name) => element("th", { scope: "col" }, columns[name]));
  const numbers = ["rejected", "rate", "time"].map((name) => element("th", { scope: "col", class: "number" }, columns[name]));
  return element(
    "table",
    { class: "stage-table" },
    element("thead", {}, element("tr", {}, head, numbers)),
    element("tbody", {}, stages.map(row)),
  );
}

function drawStage(row, stage) {
  const bar = row.querySelector("progress");
  row.className = stage.status;
  const isWhole = stage.status === "done" || stage.status === "stale";
  if (stage.status === "running" && stage.n_rows === null) bar.removeAttribute("value");
  else bar.value = isWhole ? 1 : stage.n_rows ? stage.n_done / stage.n_rows : 0;
  const begun = stage.status === "running" || isWhole;
  say(row, ".rows span", begun ? words.rows(stage.n_done, stage.n_rows) : words.statuses[stage.status]);
  const notes = [stage.status === "stale" && words.statuses.stale, stage.cached && words.cached(stage.cached), stage.model];
  say(row, ".rows small", begun ? notes.filter(Boolean).join(" · ") : "");
  say(row, ".rejected", begun ? number(stage.n_rejected) : "");
  say(row, ".rate", begun && stage.rate ? words.rate(stage.rate) : "");
  const left = stage.remaining_s === null ? "" : words.timeLeft(stage.remaining_s);
  say(row, ".time", begun ? words.remaining(stage.seconds) + left : "");
}

function say(row, selector, text) {
  const place = row.querySelector(selector);
  if (place.textContent !== text) place.textContent = text;
}

/** Draws requests, tokens and cost by stage and model. */
export function drawCost(place, lines) {
  if (!lines.length) return fill(place, element("p", { class: "soft" }, words.noneAsked));
  const names = Object.entries(words.paidColumns);
  const isNumber = (name) => !["stage", "model"].includes(name);
  const cells = (line) => [
    element("th", { scope: "row" }, line.stage),
    element("td", {}, line.model),
    [line.requests, line.prompt_tokens, line.completion_tokens].map((n) => element("td", { class: "number" }, number(n))),
    element("td", { class: "number" }, words.cost(line.cost)),
  ];
  const sum = (name) => lines.reduce((total, line) => total + line[name], 0);
  const total = {
    stage: words.total,
    model: "",
    requests: sum("requests"),
    prompt_tokens: sum("prompt_tokens"),
    completion_tokens: sum("completion_tokens"),
    cost: lines.some((line) => line.cost === null) ? null : sum("cost"),
  };
  return fill(
    place,
    element(
      "div",
      { class: "scrolls", tabindex: 0, role: "region", "aria-label": words.paid },
      element(
        "table",
        {},
        element("thead", {}, element("tr", {}, names.map(([name, text]) => element("th", { scope: "col", class: isNumber(name) ? "number" : null }, text)))),
        element("tbody", {}, lines.map((line) => element("tr", {}, cells(line)))),
        lines.length > 1 && element("tfoot", {}, element("tr", {}, cells(total))),
      ),
    ),
  );
}

/** Draws a bar a reason; the longest is the reason with the most rows. */
export function drawRejects(place, lines) {
  if (!lines.length) return fill(place, element("p", { class: "soft" }, words.noRejects));
  const most = Math.max(...lines.map((line) => line.n));
  return fill(
    place,
    element(
      "ul",
      { class: "reasons" },
      lines.map((line) => {
        const share = element("span", { class: "share", "aria-hidden": "true" });
        share.style.width = `${(100 * line.n) / most}%`;
        const name = element("a", { href: `/gallery?reason=${encodeURIComponent(line.reason)}` }, readable(line.reason));
        return element("li", {}, element("span", {}, name, element("small", { class: "soft" }, line.stage)), element("b", {}, number(line.n)), share);
      }),
    ),
  );
}

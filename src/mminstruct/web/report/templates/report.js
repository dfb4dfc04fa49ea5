// Draws the figures of the page: each <div data-figure="name"> from the JSON in <script id="data-name">.
// Colours in that JSON are names, "var(--ink)": they are looked up in the page's own styles, for light and for dark.
"use strict";

const NAME = /^var\((--[a-z0-9-]+)\)$/;

function coloured(value, styles) {
  if (typeof value === "string") {
    const found = NAME.exec(value);
    return found ? styles.getPropertyValue(found[1]).trim() : value;
  }
  if (Array.isArray(value)) return value.map((each) => coloured(each, styles));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, colouredAt(key, each, styles)]));
}

// Texts are left as they are: a caption may be named like a colour.
function colouredAt(key, value, styles) {
  return ["text", "customdata", "x", "y", "label", "labels", "ids", "parents"].includes(key) && typeof value !== "object"
    ? value
    : ["customdata", "label", "labels", "ids", "parents"].includes(key) ? value : coloured(value, styles);
}

function draw(place) {
  const figure = JSON.parse(document.getElementById(`data-${place.dataset.figure}`).textContent);
  const styles = getComputedStyle(document.documentElement);
  const bar = place.dataset.bar === "yes";
  return Plotly.react(place, coloured(figure.data, styles), coloured(figure.layout, styles), {
    responsive: true,
    displayModeBar: bar,
    displaylogo: false,
    scrollZoom: false,
    modeBarButtons: [["zoomIn2d", "zoomOut2d", "pan2d", "resetScale2d"]],
    showTips: false,
    doubleClick: bar ? "reset" : false,
  });
}

function drawAll() {
  const places = [...document.querySelectorAll("[data-figure]")];
  return places.reduce((before, place) => before.then(() => draw(place)), Promise.resolve());
}

drawAll().then(() => document.documentElement.setAttribute("data-drawn", ""));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);

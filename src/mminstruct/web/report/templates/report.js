// Draws the figures of the page: each element with data-figure, from the JSON in the script element of that name.
// Colours in that JSON are names, "var(--ink)": they are looked up in the page's own styles, for light and for dark.
"use strict";

const NAME = /^var\((--[a-z0-9-]+)\)$/;

const TEXTS = new Set(["customdata", "ids", "label", "labels", "name", "parents", "text", "x", "y"]);

// Texts are left as they are, for a caption may be named like a colour; axis titles hold theirs in an object.
function coloured(value, styles, key = "") {
  if (value === null || typeof value === "number" || typeof value === "boolean") return value;
  if (typeof value === "string") {
    const found = TEXTS.has(key) ? null : NAME.exec(value);
    return found ? styles.getPropertyValue(found[1]).trim() : value;
  }
  if (Array.isArray(value)) return TEXTS.has(key) ? value : value.map((each) => coloured(each, styles, key));
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, coloured(each, styles, name)]));
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

// One after the other, and the page can be read and scrolled in between.
async function drawAll() {
  for (const place of document.querySelectorAll("[data-figure]")) {
    await draw(place);
    await new Promise((resolve) => setTimeout(resolve));
  }
  document.documentElement.setAttribute("data-drawn", "");
}

addEventListener("load", drawAll);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);

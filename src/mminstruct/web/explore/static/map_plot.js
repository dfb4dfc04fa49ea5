// The points themselves: regl-scatterplot with our colours, sizes, keys and mouse. It knows nothing of what they mean.

import createScatterplot from "./vendor/regl-scatterplot.js";

const STEP = 0.2; // of the view, that a key moves it
const ZOOM = 1.5;
const MARGIN = 0.92; // of the stage, that the whole map fills
const SIZES = [
  [500, 9],
  [5000, 6],
  [50000, 4],
  [Infinity, 2.5],
]; // up to so many points, CSS pixels of one

/** Whether this browser can draw: WebGL is there, with the textures that hold the points. */
export function canDraw() {
  try {
    const gl = document.createElement("canvas").getContext("webgl");
    return gl !== null && gl.getExtension("OES_texture_float") !== null;
  } catch {
    return false;
  }
}

/** A plot in `canvas`. `on` hears: hover(point or null), moved(), click(point), chosen(points), cleared(). */
export function makePlot(canvas, on) {
  const { width, height } = canvas.getBoundingClientRect();
  const plot = createScatterplot({
    canvas,
    width,
    height,
    lassoColor: colourOf("--accent"),
    pointColorActive: colourOf("--accent"),
    pointColorHover: colourOf("--ink"),
    backgroundColor: colourOf("--surface"),
    lassoOnLongPress: true,
    spatialIndexUseWorker: false,
    actionKeyMap: { lasso: "shift" },
  });
  let wanted = null; // the map that is to be in the plot
  let drawn = null; // the same, once its points are; null until then
  let turn = Promise.resolve(); // the last draw: the library refuses another before it has its frame
  let shownOnes = null; // which of them, null for all
  let fitting = null; // the view that shows all in this size of canvas
  let byLasso = false;
  plot.subscribe("pointover", (point) => on.hover(point));
  plot.subscribe("pointout", () => on.hover(null));
  plot.subscribe("lassoStart", () => (byLasso = true));
  plot.subscribe("select", ({ points }) => {
    if (drawn && points.length === 1 && !byLasso) on.click(points[0]);
    else if (drawn) on.chosen(points);
    byLasso = false;
  });
  plot.subscribe("deselect", () => on.cleared());
  plot.subscribe("view", () => on.moved());
  new ResizeObserver(() => {
    const box = canvas.parentElement.getBoundingClientRect();
    if (!box.width || !box.height) return;
    const isWhole = fitting?.every((value, at) => value === plot.get("cameraView")[at]);
    plot.set({ width: box.width, height: box.height });
    if (isWhole) whole();
  }).observe(canvas.parentElement);

  /** Draws a map's points; `shades` {z, kind, colours} are their colours, `large` says which are to stand out. */
  function draw(map, shades, large, shown) {
    wanted = map;
    if (drawn !== map) drawn = null; // its points may still be seen, but are no longer those that are asked about
    shownOnes = shown;
    return inTurn(() => wanted === map && drawNow(map, shades, large));
  }

  /** Does `act` after all that was to be drawn before, whether that went well or not. */
  function inTurn(act) {
    turn = turn.catch(() => {}).then(act);
    return turn;
  }

  async function drawNow(map, shades, large) {
    const size = SIZES.find(([most]) => map.n <= most)[1];
    const sameplace = drawn === map;
    plot.set({
      colorBy: "valueA",
      pointColor: shades.colours,
      ...(large ? { sizeBy: "valueB", pointSize: [size, size * 2] } : { sizeBy: null, pointSize: size }),
      ...(map.n > 5000 ? { opacityBy: "density" } : { opacityBy: null, opacity: 0.85 }),
    });
    await plot.draw(
      { x: map.x, y: map.y, z: shades.z, w: large ?? new Float32Array(map.n) },
      {
        zDataType: shades.kind,
        wDataType: "categorical",
        filter: shownOnes ?? undefined,
        spatialIndex: sameplace ? plot.get("spatialIndex") : undefined,
      },
    );
    if (wanted !== map) return;
    drawn = map;
    if (!sameplace) whole();
  }

  /** Shows all of the map: it is 2 wide and high, and the library fits its height alone. */
  function whole() {
    const { width, height } = canvas.getBoundingClientRect();
    const scale = MARGIN * Math.min(1, width / height);
    fitting = new Float32Array([scale, 0, 0, 0, 0, scale, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]);
    plot.view(fitting);
  }

  /** Moves the view by shares of its width and height. */
  function pan(right, up) {
    const view = Float32Array.from(plot.get("cameraView"));
    view[12] -= 2 * STEP * right;
    view[13] -= 2 * STEP * up;
    plot.view(view);
  }

  /** Brings the centre nearer (steps of 1) or farther (-1). */
  function zoom(steps) {
    const view = Float32Array.from(plot.get("cameraView"));
    for (const at of [0, 5, 12, 13]) view[at] *= ZOOM ** steps;
    plot.view(view);
  }

  /** The point nearest to the middle of the view; null where none is in view. */
  function central() {
    const { width, height } = place();
    let best = null;
    let least = Infinity;
    eachInView((point, x, y) => {
      const distance = (x - width / 2) ** 2 + (y - height / 2) ** 2;
      if (distance < least) [best, least] = [point, distance];
    });
    return best;
  }

  /** The points in view. The library's own list of them is that of the last frame, and keys may come faster. */
  function inView() {
    const points = [];
    eachInView((point) => points.push(point));
    return points;
  }

  /** Calls `act` with each point in view, and where it is in pixels. */
  function eachInView(act) {
    if (!drawn) return;
    const { width, height, at: placed } = place();
    for (let at = 0; at < (shownOnes?.length ?? drawn.n); at += 1) {
      const point = shownOnes ? shownOnes[at] : at;
      const [x, y] = placed(point);
      if (x >= 0 && x <= width && y >= 0 && y <= height) act(point, x, y);
    }
  }

  /**
   * The size of the view, and `at(point)`: where it is, in pixels. The library's own function has the width and height
   * of now, but the shape of the last frame: after a resize it is wrong until the next one.
   */
  function place() {
    const [width, height, view] = ["width", "height", "cameraView"].map((name) => plot.get(name));
    const at = (point) => [
      (width + height * (view[0] * drawn.x[point] + view[12])) / 2,
      (height - height * (view[5] * drawn.y[point] + view[13])) / 2,
    ];
    return { width, height, at };
  }

  return {
    draw,
    pan,
    zoom,
    whole,
    central,
    screenPosition: (point) => (drawn ? place().at(point) : null),
    inView,
    select: (points) => plot.select(points, { preventEvent: true }),
    deselect: () => plot.deselect({ preventEvent: true }),
    hover: (point) => plot.hover(point, { preventEvent: true }),
    setLasso: (active) => plot.set({ mouseMode: active ? "lasso" : "panZoom" }),
    show(points) {
      shownOnes = points;
      return inTurn(() => (shownOnes ? plot.filter(shownOnes) : plot.unfilter()));
    },
    dress: () =>
      plot.set({
        lassoColor: colourOf("--accent"),
        pointColorActive: colourOf("--accent"),
        pointColorHover: colourOf("--ink"),
        backgroundColor: colourOf("--surface"),
      }),
  };
}

/** What a colour of shell.css is now, as numbers that WebGL takes. */
function colourOf(name) {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe)
    .color.match(/[\d.]+/g)
    .slice(0, 3)
    .map((value) => Number(value) / 255);
  probe.remove();
  return [...found, 1];
}

// Brings a map from the server: waits until it is made, then its positions and columns.

import { api, ApiError, withQuery } from "./shell.js";

const WAIT_MS = 1000;

/**
 * The map `which`: {n, note, x, y, ids, text, detail, score, image, colours}; null where it is impossible, after
 * `told(status)` has had the reason. `told` hears of each look while it is being made.
 */
export async function bringMap(which, told, signal, again = false) {
  for (let first = true; ; first = false) {
    const status = await api(`/api/map/${which}`, { query: first && again ? { again: 1 } : {}, signal });
    if (status.state === "ready") {
      const brought = await bring(which, status, signal);
      if (brought) return brought;
      continue; // it was made anew between two requests
    }
    told(status);
    if (status.state === "impossible") return null;
    await pause(WAIT_MS, signal);
  }
}

async function bring(which, status, signal) {
  const query = { key: status.key };
  try {
    const [points, columns] = await Promise.all([
      bytesOf(withQuery(`/api/map/${which}/points`, query), signal),
      api(`/api/map/${which}/columns`, { query, signal }),
    ]);
    const xy = new Float32Array(points);
    return { n: status.n, note: status.note, x: xy.subarray(0, status.n), y: xy.subarray(status.n), ...columns };
  } catch (error) {
    if (error instanceof ApiError && error.status === 409) return null;
    throw error;
  }
}

async function bytesOf(address, signal) {
  const response = await fetch(address, { credentials: "same-origin", signal });
  if (!response.ok) throw new ApiError("", response.status);
  return response.arrayBuffer();
}

function pause(wait_ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, wait_ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

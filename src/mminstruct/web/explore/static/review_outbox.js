// Sends decisions, one after the other, and lets go of none before the server has it on disk.
//
// A decision is kept in the browser's storage first. Where the server does not answer, or cannot write, it stays there and
// is tried again, after a reload too; the server knows a decision by its id, so sending twice does no harm. Only what the
// server refuses (a row that was made anew, an empty text) is given back to the reviewer.

import { api } from "./api.js";
import { keysOf, outlasts, read, remove, write } from "./kept_here.js";

const LONGEST_WAIT_MS = 15000;
const NO_ANSWER_MS = 20000;
const REFUSED = [400, 404, 409, 413, 422]; // what would be refused again; all else may pass

/** An outbox for the run `runId`; `changed` is called with `{n, why}`: how many are waiting, and what failed last. */
export function openOutbox(runId, changed) {
  const prefix = `mminstruct-review:${runId}:`;
  const waiting = new Map(); // decision_id → what to call with what became of it
  let nSent = 0; // from this page
  let sending = false;
  let timer = 0;
  let wait_ms = 1000;

  window.addEventListener("online", tryNow);
  window.addEventListener("beforeunload", (event) => {
    if (!outlasts && keysOf(prefix).length) event.preventDefault();
  });

  /** Keeps and sends a decision. `{state: "saved", reply}`, `{state: "refused", why}` or `{state: "waiting"}`. */
  function send(body) {
    // The keys' order is that of the decisions, also within one millisecond.
    const order = `${Date.now().toString(36)}-${String((nSent += 1)).padStart(6, "0")}`;
    write(`${prefix}${order}-${body.decision_id}`, JSON.stringify(body));
    return new Promise((resolve) => {
      waiting.set(body.decision_id, resolve);
      flush();
    });
  }

  async function flush() {
    if (sending) return;
    sending = true;
    clearTimeout(timer);
    let why = "";
    for (let keys = keysOf(prefix); keys.length && !why; keys = keysOf(prefix)) why = await sendOne(keys[0]);
    sending = false;
    changed({ n: keysOf(prefix).length, why });
    if (!why) {
      wait_ms = 1000;
      return;
    }
    for (const tell of waiting.values()) tell({ state: "waiting" });
    waiting.clear();
    timer = setTimeout(flush, wait_ms);
    wait_ms = Math.min(2 * wait_ms, LONGEST_WAIT_MS);
  }

  /** Sends the decision under a key; what failed, or "" where it is settled. */
  async function sendOne(key) {
    const body = JSON.parse(read(key) ?? "null");
    if (!body) return remove(key) ?? ""; // another tab has sent it
    let result = null;
    try {
      result = { state: "saved", reply: await api("/api/review", { body, signal: AbortSignal.timeout(NO_ANSWER_MS) }) };
    } catch (error) {
      if (!REFUSED.includes(error.status)) return error.message;
      result = { state: "refused", why: error.message, body };
    }
    remove(key);
    const tell = waiting.get(body.decision_id);
    waiting.delete(body.decision_id);
    if (tell) tell(result);
    else if (result.state === "refused") changed({ n: keysOf(prefix).length, why: "", refused: result });
    return "";
  }

  /** Tries at once, and returns when all are sent or one has failed. */
  function tryNow() {
    wait_ms = 1000;
    return flush();
  }

  return { send, tryNow, n: () => keysOf(prefix).length, nSent: () => nSent };
}

/** A new decision's id. */
export function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

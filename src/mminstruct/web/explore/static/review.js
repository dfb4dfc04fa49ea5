// The review: one row at a time, kept, dropped or edited by key. The filters are the gallery's, from the address.
//
// A decision shows at once and is sent behind the reviewer's back (review_outbox.js); the next row is here already
// (review_queue.js). What is decided is read from the server after a reload: `?at=ID` names the row that stands there.

import { drawStatus, drawUnsaved, layOut, nothingLeft, whoReviews } from "./review_frame.js";
import { newId, openOutbox } from "./review_outbox.js";
import { openQueue } from "./review_queue.js";
import { drawEditor, drawNote, drawRow, drawTexts } from "./review_row.js";
import { addressOf, changed, filtersOf, here } from "./place.js";
import { announce, api, bindKeys, emptiness, fill, main, openShell, problem } from "./shell.js";
import { read, write } from "./kept_here.js";
import { words } from "./words/review.js";

const NAME = "mminstruct-reviewer";
const OUTBOX_WAIT_MS = 4000; // for what an earlier visit left unsent, before the first row is asked for without it
const KEYS = { keep: "k", drop: "d", edit: "e", undo: "u", note: "n", previous: "ArrowLeft", next: "ArrowRight" };

const about = await openShell("review", words.title);
const acts = { keep: () => decide("keep"), drop: () => decide("drop"), edit, undo, note, previous: () => step(-1), next: () => step(1) };
const decidedHere = new Map(); // id → decision or null, of this page's decisions and undos
const onTheirWay = new Map(); // id → row whose last decision the server may not know yet
const past = []; // this page's decisions, newest last: {item, before, decision_id}
const drafts = new Map(); // id → texts typed into the editor and left
const notes = new Map(); // id → a note that waits for the decision
let [parts, outbox, queue] = [null, null, null];
let current = null; // the row that stands there
let texts = null; // its place
let editing = false;
let arrivals = 0; // how often a row was asked for: a newer one voids those before it
let leaving = false; // another row is on its way: no key decides about the one that stands there
let settled = Promise.resolve(); // when the last decision has got its answer

if (!about.writable) fill(main(), emptiness(words.readOnly, words.readOnlyWhy));
else await open();

async function open() {
  try {
    const { run_id: runId } = await api("/api/review/summary");
    parts = layOut(acts);
    outbox = openOutbox(runId, (state) => drawUnsaved(parts.unsaved, state, outbox, goTo));
    bindKeys(Object.keys(acts).map((name) => binding(name, KEYS[name], words.labels[name])));
    bindKeys(["keep", "drop", "edit", "undo", "note"].map((name) => binding(name, KEYS[name].toUpperCase(), null)));
    window.addEventListener("popstate", begin);
    window.addEventListener("beforeunload", (event) => editing && event.preventDefault());
    if (!location.search) await beginWithKept();
    if (outbox.n()) await Promise.race([outbox.tryNow(), new Promise((go) => setTimeout(go, OUTBOX_WAIT_MS))]);
    if (read(NAME)) await begin();
    else rename();
  } catch (error) {
    fill(main(), problem(error, open));
  }
}

/** A key; none acts while something is typed. Without a label the help does not list it (capitals, for Caps Lock). */
function binding(name, key, label) {
  return { keys: [key], label, act: () => !editing && acts[name]() };
}

function rename() {
  whoReviews(parts, read(NAME) ?? "", (name) => {
    write(NAME, name);
    begin();
  });
}

/** Without filters the review is of the rows that an export has, or of all in a run that is not that far. */
async function beginWithKept() {
  const { total } = await api("/api/review/next", { query: { status: "kept" } });
  if (total) history.replaceState(null, "", "?status=kept");
}

/** Begins with what the address names. */
async function begin() {
  queue = openQueue(filtersOf(here()), (id) => Boolean(decidedHere.get(id)), () => (outbox.n() ? null : outbox.nSent()));
  await arrive(() => queue.first(here().get("at")));
}

/** Shows what `find` finds, unless another row is asked for meanwhile. What fails is told, and can be tried again. */
async function arrive(find) {
  const arrival = (arrivals += 1);
  leaving = true;
  const decided = new Map(onTheirWay);
  try {
    const item = await find();
    if (arrival !== arrivals) return;
    // What was on its way when the server was asked, or is now, the server's row may not have.
    if (item) show(onTheirWay.get(item.id) ?? decided.get(item.id) ?? item);
    else finish();
  } catch (error) {
    if (arrival !== arrivals) return;
    current = null;
    editing = leaving = false;
    fill(parts.row, problem(error, () => arrive(find)));
  }
}

function show(item) {
  current = item;
  editing = leaving = false;
  history.replaceState(null, "", addressOf(changed(here(), { at: item.id })));
  texts = drawRow(parts.row, item, queue.story(item.id), () => current === item);
  redraw();
  queue.prefetch(item.id, settled);
  window.scrollTo({ top: 0 });
}

function redraw() {
  // A note that is being typed stays, whatever comes from the server meanwhile.
  if (!editing) fill(parts.note, current && notes.get(current.id) ? words.noteWaits(notes.get(current.id)) : null);
  parts.bar.hidden = !current;
  drawStatus(parts, { item: current, counts: queue.counts(), name: read(NAME), filters: filtersOf(here()), rename });
}

function finish() {
  current = null;
  editing = leaving = false;
  history.replaceState(null, "", addressOf(changed(here(), { at: null })));
  fill(parts.row, nothingLeft(queue.counts()));
  redraw();
}

/** Keeps a decision on the row that stands there, and shows the next one. */
async function decide(decision, more = {}) {
  if (!current || leaving) return;
  const item = current;
  const body = decisionOn(item, decision, more);
  const sent = (settled = outbox.send(body));
  take(item, body);
  announce(words.said[decision]);
  arrive(() => queue.next(item.id));
  settle(await sent, item, body);
}

function decisionOn(item, decision, more) {
  return {
    id: item.id,
    decision,
    reviewer: read(NAME),
    decision_id: newId(),
    answer_hash: item.answer_hash,
    note: notes.get(item.id) ?? "",
    ...more,
  };
}

/** Takes a decision over into the row, before the server has confirmed it. */
function take(item, body) {
  const before = item.standing;
  item.standing = { ...body, decided_at: new Date().toISOString() };
  item.sent = body.decision_id;
  onTheirWay.set(item.id, item);
  past.push({ item, before, decision_id: body.decision_id });
  decidedHere.set(item.id, body.decision);
  notes.delete(item.id);
  if (!before) move(1);
}

/** Moves the count of what is done, until the server tells it anew. */
function move(n) {
  const counts = queue.counts();
  counts.n_done += n;
  counts.n_left -= n;
}

/** What the server said of a decision: its own word where it is saved; told and taken back where it is refused. */
function settle(result, item, body) {
  // Where something else has been decided meanwhile, this reply is no longer the last word.
  if (result.state !== "waiting" && item.sent === body.decision_id) onTheirWay.delete(item.id);
  if (result.state === "saved" && item.sent === body.decision_id) item.standing = result.reply.standing;
  if (result.state === "refused") {
    const index = past.findLastIndex((one) => one.decision_id === result.body.decision_id);
    if (index >= 0) item.standing = past.splice(index, 1)[0].before;
    decidedHere.set(item.id, item.standing?.decision ?? null);
    if (!item.standing) move(-1);
    drawUnsaved(parts.unsaved, { n: outbox.n(), why: "", refused: result }, outbox, goTo);
  }
  if (current === item && !editing) drawTexts(texts, item);
  redraw();
}

async function undo() {
  const last = past.pop() ?? (current?.standing && { item: current, before: null, decision_id: current.standing.decision_id });
  if (!last) return announce(words.nothingToUndo);
  const { item } = last;
  const body = { ...decisionOn(item, "undo", { undoes: last.decision_id }), note: "", answer_hash: "" };
  const sent = outbox.send(body);
  item.standing = last.before;
  item.sent = body.decision_id;
  onTheirWay.set(item.id, item);
  decidedHere.set(item.id, last.before?.decision ?? null);
  if (!last.before) move(-1);
  arrivals += 1; // this row is the one to be seen, not one that is on its way
  queue.forget();
  if (current === item) stay();
  else show(item);
  announce(words.said.undo);
  redraw();
  return settle(await sent, item, body);
}

/** Stays on the row that stands there, whose decision is no longer what it was. */
function stay() {
  leaving = false;
  if (!editing) drawTexts(texts, current);
  queue.prefetch(current.id, settled);
}

function edit() {
  if (!current || leaving || editing) return;
  const item = current;
  editing = true;
  const leave = (typed) => {
    drafts.set(item.id, typed);
    close();
  };
  const close = () => {
    editing = false;
    drawTexts(texts, item);
  };
  drawEditor(texts, item, drafts.get(item.id), (...typed) => saveEdit(item, typed, close), leave);
}

/** Sends an edit; what is wrong with it is told beside the fields, which stay open. */
async function saveEdit(item, [instruction, answer], close) {
  const body = decisionOn(item, "edit", { instruction, answer });
  leaving = true; // unless it is refused
  const result = await outbox.send(body);
  if (result.state === "refused") {
    leaving = false;
    return result.why;
  }
  drafts.delete(item.id);
  take(item, body);
  if (current === item) close();
  settle(result, item, body);
  announce(words.said.edit);
  if (current === item) await arrive(() => queue.next(item.id)); // else the reviewer has gone elsewhere meanwhile
  return "";
}

function note() {
  if (!current || leaving || editing) return;
  const item = current;
  editing = true;
  const close = () => {
    editing = false;
    drawTexts(texts, item); // a reply that came while the note was typed has not been drawn
    redraw();
  };
  const save = (text) => {
    notes.set(item.id, text);
    close();
    if (item.standing) resend(item);
  };
  drawNote(parts.note, notes.get(item.id) ?? item.standing?.note ?? "", save, close);
}

/** The same decision again, with a new note. */
async function resend(item) {
  const { decision, instruction, answer } = item.standing;
  const body = decisionOn(item, decision, decision === "edit" ? { instruction, answer } : {});
  const sent = outbox.send(body);
  take(item, body);
  drawTexts(texts, item);
  redraw();
  settle(await sent, item, body);
}

async function step(direction) {
  if (!current) return;
  const from = current;
  await arrive(async () => {
    const item = await queue.beside(from.id, direction);
    if (!item) announce(words.noMore[direction > 0 ? "after" : "before"]);
    return item ?? from;
  });
}

function goTo(id) {
  return arrive(() => queue.first(id));
}

// Draws the row that is reviewed: its picture and story, its texts as they stand, the fields to edit them.

import { badges } from "./badges.js";
import { renderPicture, renderProvenance } from "./item.js";
import { element, fill, problem } from "./shell.js";
import { words } from "./words/review.js";

/** Draws `item` into `place` at once; its story follows as soon as `story`, a promise, has it. */
export function drawRow(place, item, story, isShown) {
  const seen = renderPicture({ item, image: null });
  const texts = element("div", { class: "current" });
  const provenance = element("div", {});
  fill(place, seen, element("div", { class: "told" }, texts, provenance));
  drawTexts(texts, item);
  story.then(
    (told) => {
      if (!isShown()) return;
      seen.querySelector("figcaption").replaceWith(renderPicture(told).querySelector("figcaption"));
      fill(provenance, renderProvenance(told));
    },
    (error) => isShown() && fill(provenance, problem(error)),
  );
  return texts;
}

/** Draws instruction and answer as they stand, and what was decided. */
export function drawTexts(place, item) {
  const { standing } = item;
  const [instruction, answer] = textsOf(item);
  const isEdited = standing?.decision === "edit";
  fill(
    place,
    element(
      "section",
      { class: "texts" },
      badges({ ...item, decision: standing?.decision ?? null }),
      standing && decided(standing),
      element("h2", {}, instruction || words.noInstruction),
      item.reason && element("p", { class: "why" }, words.rejected(item.stage, item.detail)),
      element("p", { class: "text answer" }, answer || words.noAnswer),
      isEdited && original(item),
    ),
  );
}

/** The texts that a row has now: the edited ones where an edit stands. */
export const textsOf = (item) => [
  item.standing?.instruction ?? item.instruction ?? "",
  item.standing?.answer ?? item.answer,
];

function decided(standing) {
  const when = standing.decided_at ? new Date(standing.decided_at) : null;
  return element(
    "p",
    { class: "decided soft" },
    words.decided[standing.decision],
    " ",
    element("bdi", {}, standing.reviewer),
    when && element("time", { datetime: standing.decided_at }, `, ${words.when(when)}`),
    standing.note && element("span", { class: "note" }, standing.note),
  );
}

const original = (item) =>
  element(
    "details",
    { class: "original" },
    element("summary", {}, words.original),
    element("h3", {}, item.instruction),
    element("p", { class: "text" }, item.answer),
  );

/**
 * Draws the fields to edit the texts in; `draft` is what was typed before. `save` is called with both texts and returns
 * what is wrong with them, "" where nothing is; `leave` with what is typed.
 */
export function drawEditor(place, item, draft, save, leave) {
  const [instruction, answer] = draft ?? textsOf(item);
  const fields = [field("instruction", words.instruction, instruction, 2), field("answer", words.answer, answer, 12)];
  const fault = element("p", { class: "fault", role: "alert" });
  const typed = () => fields.map((one) => one.querySelector("textarea").value);
  let saving = false; // one edit is saved once, however often the key is pressed, and cannot be left meanwhile
  const submit = async (event) => {
    event.preventDefault();
    if (saving) return;
    saving = true;
    fill(fault, await save(...typed()));
    saving = false;
  };
  const abandon = () => saving || leave(typed());
  const form = element(
    "form",
    { class: "edit", onsubmit: submit },
    fields,
    fault,
    element(
      "div",
      { class: "row" },
      element("button", { type: "submit", class: "primary" }, words.save, element("kbd", {}, words.saveKey)),
      element("button", { type: "button", onclick: abandon }, words.leave, element("kbd", {}, words.leaveKey)),
    ),
  );
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) submit(event);
    else if (event.key === "Escape") {
      event.preventDefault();
      abandon();
    }
  });
  fill(place, form);
  const area = fields[1].querySelector("textarea");
  area.focus();
  area.setSelectionRange(0, 0);
  area.scrollTop = 0;
}

function field(name, label, text, rows) {
  const area = element("textarea", { id: `edit-${name}`, rows, spellcheck: "true" });
  area.value = text;
  return element("div", { class: "field" }, element("label", { for: area.id }, label), area);
}

/** Draws one line for a note; `save` is called with it, `leave` without. */
export function drawNote(place, text, save, leave) {
  const input = element("input", { type: "text", id: "note", maxlength: 2000, autocomplete: "off" });
  input.value = text;
  const submit = (event) => {
    event.preventDefault();
    save(input.value.trim());
  };
  const form = element(
    "form",
    { class: "note-form", onsubmit: submit },
    element("label", { for: "note" }, words.note),
    input,
    element("button", { type: "submit" }, words.keepNote),
  );
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    leave();
  });
  fill(place, form);
  input.focus();
}

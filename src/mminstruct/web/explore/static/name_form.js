// The form that asks who votes or reviews, before there is anything to vote on or to review.

import { element, fill } from "./dom.js";

/**
 * Fills `place` with the form; `words` are {who, why, name, begin}. `begin` gets the name, with single spaces; it may
 * be empty, as one of white space alone is.
 */
export function askForName(place, { id, longest, name, words, begin }) {
  const field = element("input", { type: "text", id, maxlength: longest, required: true, autocomplete: "name" });
  field.value = name;
  const submit = (event) => {
    event.preventDefault();
    begin(field.value.trim().replace(/\s+/g, " "));
  };
  fill(
    place,
    element(
      "form",
      { class: "notice", onsubmit: submit },
      element("h2", {}, words.who),
      element("p", {}, words.why),
      element("label", { for: id }, words.name),
      field,
      element("button", { type: "submit", class: "primary" }, words.begin),
    ),
  );
  field.focus();
}

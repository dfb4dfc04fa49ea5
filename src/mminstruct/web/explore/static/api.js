// Talks to the server: JSON in, JSON out, errors as sentences.

import { words } from "./words/shell.js";

/** What the server refused, or that it was not reached; `message` is a sentence for the reader. */
export class ApiError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status; // 0: no answer at all
  }
}

/**
 * The answer of `path`, read as JSON. Raises ApiError, or an AbortError where `signal` stopped it.
 *
 * `query` is a URLSearchParams or an object whose arrays are repeated keys; with a `body` the request is a POST.
 */
export async function api(path, { query, body, signal } = {}) {
  const response = await answerOf(withQuery(path, query), body, signal);
  if (!response.ok) throw new ApiError(await reasonOf(response), response.status);
  return response.json();
}

/** `path` with the query behind it, where there is one. */
export function withQuery(path, query) {
  const text = query instanceof URLSearchParams ? query.toString() : parameters(query ?? {}).toString();
  return text ? `${path}?${text}` : path;
}

/** The sentence in which the server says what is wrong. */
export async function reasonOf(response) {
  const told = await response.json().catch(() => null);
  return told?.error ?? words.refused(response.status);
}

async function answerOf(address, body, signal) {
  const sent = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  try {
    return await fetch(address, { ...sent, headers, signal, credentials: "same-origin" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(words.unreachable, 0);
  }
}

function parameters(query) {
  const made = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const single of [value].flat()) if (single !== null && single !== undefined) made.append(name, single);
  }
  return made;
}

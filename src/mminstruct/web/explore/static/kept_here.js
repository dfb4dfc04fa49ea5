// What this browser keeps from one page to the next; where storage is switched off, as long as the page lasts.

const unkept = new Map();

/** Whether what is kept outlasts the page. */
export let outlasts = true;

/** The text under a key; null where there is none. */
export function read(key) {
  try {
    return localStorage.getItem(key) ?? unkept.get(key) ?? null;
  } catch {
    return unkept.get(key) ?? null;
  }
}

export function write(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    outlasts = false;
    unkept.set(key, value);
  }
}

export function remove(key) {
  unkept.delete(key);
  try {
    localStorage.removeItem(key);
  } catch {
    // it was in `unkept`
  }
}

/** All keys that begin with `prefix`, sorted. */
export function keysOf(prefix) {
  const found = new Set(unkept.keys());
  try {
    for (let index = 0; index < localStorage.length; index++) found.add(localStorage.key(index));
  } catch {
    // there is nothing but `unkept`
  }
  return [...found].filter((key) => key.startsWith(prefix)).sort();
}

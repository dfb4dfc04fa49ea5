// Who votes in this browser, and whether the next pair comes at once after a vote.

const NAME = "mminstruct-annotator";
const GOES_ON = "mminstruct-arena-goes-on";
const unkept = new Map(); // where storage is switched off: as long as the page lasts

export const annotator = {
  name: () => read(NAME) ?? "",
  keep: (name) => write(NAME, name.trim().replace(/\s+/g, " ")),
  goesOn: () => read(GOES_ON) === "yes",
  setGoesOn: (goesOn) => write(GOES_ON, goesOn ? "yes" : "no"),
};

function read(key) {
  try {
    return unkept.get(key) ?? localStorage.getItem(key);
  } catch {
    return unkept.get(key) ?? null;
  }
}

function write(key, value) {
  unkept.set(key, value);
  try {
    localStorage.setItem(key, value);
  } catch {
    // it is in `unkept`
  }
}

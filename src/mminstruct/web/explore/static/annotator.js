// Who votes in this browser, and whether the next pair comes at once after a vote.
//
// A page votes under the name that it shows, whatever another window of this browser calls itself meanwhile.

import { read, write } from "./kept_here.js";

const NAME = "mminstruct-annotator";
const GOES_ON = "mminstruct-arena-goes-on";

let name = read(NAME) ?? "";
let goesOn = read(GOES_ON) === "yes";

export const annotator = {
  name: () => name,
  keep: (given) => write(NAME, (name = given)),
  goesOn: () => goesOn,
  setGoesOn: (given) => write(GOES_ON, (goesOn = given) ? "yes" : "no"),
};

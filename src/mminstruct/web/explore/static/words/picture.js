// English of a picture that cannot be shown.

export const words = {
  noPicture: "No picture",
  none: "This row has no image of its own.",
  broken: "It could not be loaded.",
  undecodable: "The browser cannot read what the server sent.",
  unreachable: "The explorer does not answer.",
};

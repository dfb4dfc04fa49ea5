// English of the dialog around a row's story.

export const words = {
  title: "A row’s story",
  previous: "Previous row",
  next: "Next row",
  close: "Close",
  position: (at, n) => `${at} of ${n} on this page`,
  loading: "Loading …",
  outside: "Not on the page behind",
};

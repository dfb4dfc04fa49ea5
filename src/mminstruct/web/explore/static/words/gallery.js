// English of the gallery.

const number = (n) => new Intl.NumberFormat("en").format(n);
const rows = (n) => (n === 1 ? "1 row" : `${number(n)} rows`);

export const words = {
  title: "Gallery",
  rows: "Rows",
  filters: "Filters",
  search: "Search instructions, answers and descriptions",
  sort: "Sort by",
  sorts: {
    order: "Order of the run",
    "-score": "Best match first",
    score: "Weakest match first",
    "-words": "Longest answer first",
    words: "Shortest answer first",
    random: "Random",
  },
  found: (n, all) => (n === all ? rows(n) : `${number(n)} of ${rows(all)}`),
  indexing: (percent) => `The search index is being built (${percent} %); searches are slower until then.`,
  unread: (n) =>
    `${n === 1 ? "1 part" : `${number(n)} parts`} of the run cannot be read; the rows of it are missing here`,
  nothingFound: "No row fits",
  loosen: "Take away a filter, or search for fewer words.",
  clear: "Clear all filters",
  empty: "No rows yet",
  emptyRun:
    "Rows appear here as soon as the run has matched images with instructions. The view Live shows how far it is.",
  noSuchPage: "No such page",
  fewerPages: (n) => `With these filters there ${n === 1 ? "is 1 page" : `are ${number(n)} pages`}.`,
  firstPage: "Go to the first page",
  review: "Review these",
  pages: "Pages",
  page: "Page",
  pageNumber: "Number of the page",
  ofPages: (n) => `of ${n}`,
  previous: "Previous",
  next: "Next",
  nextPage: "Next page",
  previousPage: "Previous page",
  moveFocus: "Move among the cards",
  openSample: "Open the card that has the focus",
  goToFilters: "Go to the filters",
};

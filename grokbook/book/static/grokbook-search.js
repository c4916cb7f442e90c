// Under a search result stands an excerpt, which Sphinx fetches from the page that was found. From file:// a browser
// refuses to fetch, so results are listed there without.
if (location.protocol === "file:" && typeof DOCUMENTATION_OPTIONS !== "undefined") {
  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
}

// Chapters and other pages come before the library's functions, whose names begin with a word that is often searched.
// The numbers are those of Sphinx.
var Scorer = {
  score: ([page, title, anchor, description, score]) => (page.startsWith("api/") ? score - 20 : score),
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};

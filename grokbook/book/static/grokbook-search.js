// Under a search result stands an excerpt, which Sphinx fetches from the page that was found. From file:// a browser
// refuses to fetch, so results are listed there without.
if (location.protocol === "file:" && typeof DOCUMENTATION_OPTIONS !== "undefined") {
  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
}

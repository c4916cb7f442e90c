// Makes a page ready to be printed, and says how many of its figures could not be drawn.
async () => {
  const room = 960; // pixels of a page that a figure may fill; a higher one is made smaller
  document.querySelectorAll("details").forEach((box) => { box.open = true; });
  if (window.grokbook) await grokbook.drawAll();
  // Chromium paints the pattern of every hatched bar as a picture of its own, the size of the whole plot: the bars of a
  // trace become one path, which takes a page of many from half a minute and 47 MB to a second and 1.4 MB.
  for (const trace of document.querySelectorAll(".grokbook-plot .points")) {
    const paths = new Map();
    for (const bar of trace.querySelectorAll("path.pattern_filled")) {
      const style = bar.getAttribute("style"), first = paths.get(style);
      if (!first) { paths.set(style, bar); continue; }
      first.setAttribute("d", first.getAttribute("d") + bar.getAttribute("d"));
      bar.remove();
    }
  }
  const figures = [...document.querySelectorAll(".grokbook-figure")];
  for (const box of figures) {
    if (box.offsetHeight > room) box.style.zoom = room / box.offsetHeight;
  }
  return figures.filter((box) => box.dataset.state !== "drawn").length;
}

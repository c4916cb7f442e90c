/* Draws the book's figures: each one when it comes near the viewport, in the colours of the theme.
 *
 * A figure's data sits in its own script, which calls grokbook.add(key, {data, layout, frames}); plotly.js is loaded
 * once, by every page that has a figure, and MathJax by every page that has a formula. Plotly's own sliders and menus
 * are replaced by native controls, which the keyboard, a screen reader, a thumb and the dark theme all understand.
 */
(() => {
  "use strict";
  const PLOTLY = "vendor/plotly.min.js", MATHJAX = "vendor/mathjax/tex-svg-full.js"; // names of sphinx_ext.py
  const base = new URL(".", document.currentScript.src);
  const narrow = matchMedia("(max-width: 640px)");
  const figures = new Map(); // key -> {data, layout, frames}, filled by the side files
  const drawn = new Map(); // <figure> -> promise

  const grokbook = {
    add: (key, figure) => figures.set(key, figure),
    drawAll: () => Promise.all([maths(), ...[...document.querySelectorAll(".grokbook-figure")].map(draw)]),
    maths,
    // For pages that draw figures of their own (grokbook-explorer.js).
    tools: { base, get: (key) => figures.get(key), load, plotly, element, slider, template, ink, narrow },
  };
  window.grokbook = grokbook;

  // ---- scripts -----------------------------------------------------------------------------------------------
  const scripts = new Map();
  function load(path) {
    if (!scripts.has(path)) {
      scripts.set(path, new Promise((resolve, reject) => {
        const script = document.createElement("script");
        script.src = new URL(path, base).href;
        script.onload = resolve;
        script.onerror = () => {
          scripts.delete(path); // the next one who asks tries again
          reject(new Error(`cannot load ${path}`));
        };
        document.head.append(script);
      }));
    }
    return scripts.get(path);
  }

  function plotly() {
    return load(PLOTLY);
  }

  // Has the formulas of the page typeset, once. MathJax takes as long to start as a figure takes to be drawn.
  let typeset = null;
  function maths() {
    typeset ??= document.querySelector(".math, [data-maths]")
      ? load(MATHJAX).then(() => MathJax.startup.promise)
      : Promise.resolve();
    return typeset;
  }

  // ---- theme -------------------------------------------------------------------------------------------------
  // Read through a probe, so that whatever CSS allows in a variable reaches Plotly as rgb().
  function colours() {
    const probe = document.createElement("span");
    document.body.append(probe);
    const read = (name) => {
      probe.style.color = `var(${name})`;
      return getComputedStyle(probe).color;
    };
    const names = { text: "text-base", muted: "text-muted", border: "border", surface: "surface" };
    const found = Object.fromEntries(Object.entries(names).map(([k, v]) => [k, read(`--pst-color-${v}`)]));
    const inks = ["1", "2", "3", "4", "5", "6", "7", "8", "train"];
    const style = getComputedStyle(document.documentElement);
    found.series = new Map(
      inks.map((i) => [style.getPropertyValue(`--grokbook-ink-${i}`).trim(), read(`--grokbook-series-${i}`)]),
    );
    probe.remove();
    return found;
  }

  // The colour that this theme draws one of the inks in: "1" to "8", "train".
  function ink(name) {
    const style = getComputedStyle(document.documentElement);
    return colours().series.get(style.getPropertyValue(`--grokbook-ink-${name}`).trim());
  }

  // Figures are drawn in inks for light pages; each theme has colours of its own in their place.
  const COLOURED = ["line.color", "marker.color"];
  const at = (object, path) => path.split(".").reduce((found, key) => found?.[key], object);
  function painted(traces) {
    const { series } = colours();
    return Object.fromEntries(COLOURED.map((path) => [path, traces.map((trace) => {
      const colour = at(trace, path);
      return typeof colour === "string" ? series.get(colour) ?? colour : undefined;
    })]));
  }

  function paintedShapes(shapes) {
    const { series } = colours();
    const repaint = (line) => ({ ...line, color: series.get(line.color) ?? line.color });
    return shapes.map((shape) => (shape.line?.color ? { ...shape, line: repaint(shape.line) } : shape));
  }

  function template() {
    const c = colours();
    const family = getComputedStyle(document.body).fontFamily;
    const clear = "rgba(0,0,0,0)";
    const faint = c.border.replace(/^rgb\(([^)]*)\)$/, "rgba($1, 0.6)");
    const axis = {
      automargin: true, color: c.text, gridcolor: faint, linecolor: c.muted, zerolinecolor: c.border,
      tickcolor: c.muted, ticks: "outside", ticklen: 4, title: { standoff: 10 },
    };
    const colorbar = { thickness: 12, outlinewidth: 0, tickcolor: c.muted, tickfont: { color: c.text } };
    return {
      layout: {
        font: { family, size: 13, color: c.text }, colorway: [...c.series.values()].slice(0, 8),
        paper_bgcolor: clear, plot_bgcolor: clear, xaxis: axis, yaxis: axis, coloraxis: { colorbar },
        colorscale: { sequential: "Viridis", sequentialminus: "Viridis", diverging: "RdBu" },
        legend: { bgcolor: clear }, hovermode: "closest",
        hoverlabel: { bgcolor: c.surface, bordercolor: c.border, font: { family, color: c.text } },
        annotationdefaults: { font: { color: c.text }, arrowcolor: c.muted },
        shapedefaults: { line: { color: c.muted } },
        modebar: { bgcolor: clear, color: c.muted, activecolor: c.text },
      },
      data: { heatmap: [{ colorbar }], contour: [{ colorbar }], surface: [{ colorbar }] },
    };
  }

  // ---- layout ------------------------------------------------------------------------------------------------
  // On a phone a touch must scroll the page, not zoom the figure, and width is dear: a colour bar lies below the plot.
  // The box gets the height and Plotly fills it, so that its own resizing needs no help.
  const BAR = 56, LABELS = 56; // pixels below the plot for a colour bar, and for an axis with its labels
  function fit(plot, { data, layout }) {
    const small = narrow.matches;
    const margin = { l: 60, r: 20, t: 30, b: 50, ...layout.margin };
    const bars = data.some((trace) => barOf(trace)) || Boolean(layout.coloraxis);
    const lying = small && bars;
    const single = !Object.keys(layout).some((key) => /^[xy]axis\d/.test(key));
    const square = Boolean(layout.yaxis?.scaleanchor);
    const height = layout.height || 450;
    const width = plot.clientWidth;
    let fitted = height;
    const rows = tracks(layout, "y"), columns = tracks(layout, "x"); // of square maps
    const room = (single ? 8 : margin.t) + LABELS + (bars ? BAR : 0);
    if (small && square) fitted = Math.max((width - margin.l) * rows / columns + room, 320);
    else if (small && single) fitted = Math.min(height, Math.max(300, Math.round(1.05 * width))) + (bars ? BAR : 0);
    else if (lying) fitted = height + BAR;
    plot.style.height = `${Math.round(fitted)}px`;
    const fitting = {
      dragmode: small ? false : layout.dragmode ?? "zoom",
      margin: small ? { ...margin, l: Math.min(margin.l, 45), r: Math.min(margin.r, 10) } : { ...margin },
      template: template(),
    };
    if (small && square && single) fitting.margin.t = 8;
    if (lying) fitting.margin.b = LABELS + BAR;
    if (layout.coloraxis) fitting.coloraxis = { ...layout.coloraxis, colorbar: placed(layout.coloraxis.colorbar, lying) };
    if (layout.shapes) fitting.shapes = paintedShapes(layout.shapes);
    return fitting;
  }

  // How many plots lie side by side ("x"), or one above the other ("y").
  const tracks = (layout, letter) => new Set(Object.entries(layout)
    .filter(([key]) => new RegExp(`^${letter}axis\\d*$`).test(key)).map(([, axis]) => `${axis.domain}`)).size;

  const MAPS = ["heatmap", "contour", "surface", "histogram2d"];
  const barOf = (trace) => MAPS.includes(trace.type) && trace.showscale !== false && !trace.coloraxis;

  // A colour bar where it belongs; written out in full, so that turning the phone puts it back.
  function placed(bar = {}, lying) {
    const title = typeof bar.title === "string" ? { text: bar.title } : bar.title;
    return lying
      ? { ...bar, title: { ...title, side: "top" }, orientation: "h", x: 0.5, xanchor: "center", xref: "paper",
        y: 0, yanchor: "bottom", yref: "container", len: 0.9, ypad: 2, thickness: 10 }
      : { orientation: "v", x: 1.02, xanchor: "left", xref: "paper", y: 0.5, yanchor: "middle", yref: "paper", len: 1,
        ypad: 10, thickness: 12, ...bar, title: { side: "top", ...title } };
  }

  // What a theme and a width change in the traces, as Plotly.restyle takes it: a value for each trace, undefined where
  // it is none of ours.
  function traceStyle({ data }) {
    const bars = data.map((trace) => (barOf(trace) ? placed(trace.colorbar, narrow.matches) : undefined));
    const style = { ...painted(data), ...(bars.some(Boolean) ? { colorbar: bars } : {}) };
    return Object.fromEntries(Object.entries(style).filter(([, values]) => values.some(Boolean)));
  }

  function styled(trace, style, i) {
    const copy = { ...trace };
    for (const [path, values] of Object.entries(style)) {
      if (values[i] === undefined) continue;
      const [outer, inner] = path.split(".");
      copy[outer] = inner ? { ...copy[outer], [inner]: values[i] } : values[i];
    }
    return copy;
  }

  // ---- controls ----------------------------------------------------------------------------------------------
  const plain = (text) => new DOMParser().parseFromString(text ?? "", "text/html").body.textContent;

  // Plotly rejects an animation that a newer one replaces: that is what "immediate" means, not an error.
  const apply = (plot, { method, args }) =>
    method === "skip" ? Promise.resolve() : Promise.resolve(Plotly[method](plot, ...(args ?? []))).catch((error) => {
      if (error) console.error(error);
    });

  function element(tag, properties, ...children) {
    const node = Object.assign(document.createElement(tag), properties);
    node.append(...children);
    return node;
  }

  // A slider as Plotly describes one, in front of its plot.
  function plotSlider(plot, spec) {
    const steps = (spec.steps ?? []).filter((step) => step.visible !== false);
    const { prefix, suffix } = spec.currentvalue ?? {};
    return slider({
      name: plain(prefix).trim() || "Step",
      labels: steps.map((step, i) => plain(`${step.label ?? step.value ?? i}`) + plain(suffix)),
      at: spec.active ?? 0,
      move: (i) => apply(plot, steps[i]),
    });
  }

  let controls = 0;
  // A row of play button, name, slider and value; move(i) draws a position and may return a promise.
  function slider({ name, labels, at, move }) {
    const range = element("input", {
      type: "range", min: 0, max: labels.length - 1, step: 1, value: at, id: `grokbook-${++controls}`,
    });
    const label = element("label", { htmlFor: range.id, textContent: name });
    const value = element("output", { htmlFor: range.id });
    value.style.minWidth = `${Math.max(...labels.map((text) => text.length))}ch`;
    const play = element("button", { type: "button", className: "grokbook-play" });

    let busy = false, wanted = null, timer = null;
    const show = () => {
      value.textContent = labels[range.valueAsNumber];
      range.setAttribute("aria-valuetext", value.textContent);
    };
    async function go() { // the latest position wins, however fast the thumb moves
      show();
      wanted = range.valueAsNumber;
      if (busy) return;
      busy = true;
      try {
        while (wanted !== null) {
          const position = wanted;
          wanted = null;
          await move(position);
        }
      } finally {
        busy = false;
      }
    }
    const stop = () => { clearInterval(timer); timer = null; face(); };
    const face = () => {
      play.textContent = timer ? "❚❚" : "▶";
      play.setAttribute("aria-label", timer ? "Pause" : "Play");
    };
    play.onclick = () => {
      if (timer) return stop();
      if (range.valueAsNumber === labels.length - 1) range.value = 0;
      timer = setInterval(() => {
        if (!range.isConnected) return stop(); // another slider has taken its place
        if (busy) return;
        range.value = range.valueAsNumber + 1;
        go();
        if (range.valueAsNumber === labels.length - 1) stop();
      }, 120);
      face();
      go();
    };
    range.oninput = () => { if (timer) stop(); go(); };
    face();
    show();
    return element("div", { className: "grokbook-control" }, play, label, range, value);
  }

  function menu(plot, spec) {
    // Play and pause buttons of the figure are covered by the slider's own.
    const items = (spec.buttons ?? []).filter((item) => item.visible !== false && item.method !== "animate");
    if (!items.length) return null;
    if (spec.type === "buttons") {
      const buttons = items.map((item, i) => element("button", { type: "button", textContent: plain(item.label) }));
      const press = (i) => buttons.forEach((b, j) => b.setAttribute("aria-pressed", String(i === j)));
      buttons.forEach((button, i) => { button.onclick = () => { press(i); apply(plot, items[i]); }; });
      press(spec.active ?? 0);
      return element("div", { className: "grokbook-control", role: "group" }, ...buttons);
    }
    const options = items.map((item) => element("option", { textContent: plain(item.label) }));
    const select = element("select", { ariaLabel: plain(spec.name) || "Choose what is shown" }, ...options);
    select.selectedIndex = spec.active ?? 0;
    select.onchange = () => apply(plot, items[select.selectedIndex]);
    return element("div", { className: "grokbook-control" }, select);
  }

  // ---- drawing -----------------------------------------------------------------------------------------------
  function draw(box) {
    if (!drawn.has(box)) drawn.set(box, render(box).catch((error) => fail(box, error)));
    return drawn.get(box);
  }

  function fail(box, error) {
    box.dataset.state = "failed";
    box.querySelector(".grokbook-plot").textContent = "This figure could not be drawn.";
    console.error(box.id, error);
  }

  // The figure with these traces: its own, or what its slider has made of them.
  async function plotted(plot, figure, traces) {
    const { sliders, updatemenus, height, ...rest } = structuredClone(figure.layout); // Plotly writes into it
    const config = {
      responsive: true, displaylogo: false, modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
    };
    const style = traceStyle(figure);
    const painted = traces.map((trace, i) => styled(trace, style, i));
    await Plotly.newPlot(plot, painted, { ...rest, ...fit(plot, figure), autosize: true }, config);
    // The label of the plot says what it shows; its ticks and numbers would be read out without their places.
    plot.querySelectorAll(".main-svg").forEach((svg) => svg.setAttribute("aria-hidden", "true"));
    if (figure.frames.length) await Plotly.addFrames(plot, figure.frames);
  }

  async function render(box) {
    const key = box.dataset.figure;
    box.dataset.state = "loading";
    await Promise.all([plotly(), load(`figures/${key}.js`), "maths" in box.dataset ? maths() : null]);
    const figure = figures.get(key);
    const { data, layout } = figure;
    const { sliders = [], updatemenus = [] } = layout;
    const plot = box.querySelector(".grokbook-plot");
    await plotted(plot, figure, data);
    const parts = [...updatemenus.map((m) => menu(plot, m)), ...sliders.map((s) => plotSlider(plot, s))];
    box.querySelector(".grokbook-controls")?.replaceChildren(...parts.filter(Boolean));
    box.dataset.state = "drawn";
  }

  const standing = () => document.querySelectorAll('.grokbook-figure[data-state="drawn"]');

  // Every figure on the page in new colours. One that cannot be, or takes its time to settle, holds up no other.
  async function repaint() {
    for (const box of standing()) {
      const plot = box.querySelector(".grokbook-plot");
      const figure = figures.get(box.dataset.figure);
      // A colour bar that is laid down keeps labels of when it stood, takes them for its height, and leaves no plot.
      plot.querySelectorAll(".infolayer .colorbar").forEach((bar) => bar.remove());
      try {
        await Plotly.update(plot, traceStyle(figure), fit(plot, figure));
      } catch (error) {
        console.error(box.id, error);
      }
      Plotly.Plots.resize(plot).catch((error) => console.error(box.id, error));
    }
  }

  // Every figure in a new shape, from scratch: a colour bar that moves in place leaves its old margins behind.
  async function reshape() {
    for (const box of standing()) {
      const plot = box.querySelector(".grokbook-plot");
      const shown = plot.data;
      Plotly.purge(plot);
      await plotted(plot, figures.get(box.dataset.figure), shown);
    }
  }

  // What is in sight comes first, then the formulas.
  const watch = new IntersectionObserver((entries) => {
    const near = entries.filter((entry) => entry.isIntersecting).map((entry) => entry.target);
    near.forEach((box) => watch.unobserve(box));
    Promise.all(near.map(draw)).then(maths).catch(console.error);
  }, { rootMargin: "300px 0px" });
  const boxes = document.querySelectorAll(".grokbook-figure");
  boxes.forEach((box) => watch.observe(box));
  if (!boxes.length) maths().catch(console.error);
  // Plotly starts while nobody scrolls yet; a figure that needs it tells when it cannot be loaded.
  if (document.querySelector(".grokbook-figure, .grokbook-explorer")) plotly().catch(() => {});

  new MutationObserver(repaint).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  narrow.addEventListener("change", reshape);
  addEventListener("beforeprint", () => grokbook.drawAll());
})();

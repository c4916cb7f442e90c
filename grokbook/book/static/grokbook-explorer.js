/* The explorer: any two published runs side by side, by layer and step.
 *
 * The list of runs and the numbers of each run sit in scripts that call grokbook.add(key, value); those of a run are
 * loaded when it is chosen (see grokbook/book/explorer.py). What is shown is in the address of the page, behind the #.
 */
(async () => {
  "use strict";
  const root = document.querySelector(".grokbook-explorer");
  if (!root || !window.grokbook) return;
  const { get, load, plotly, element, slider, template, ink, narrow } = grokbook.tools;
  try {
    await load(`explorer/${root.dataset.runs}`);
  } catch {
    root.append(element("p", { textContent: "The list of runs could not be loaded. Reload the page to try again." }));
    return;
  }
  const runs = get("runs");
  const byKey = new Map(runs.map((run) => [run.key, run]));
  const operations = [...new Set(runs.map((run) => run.operation))];
  const LAYERS = { embedding: "Embedding W_E", neuron_logit: "Neuron–logit map W_L", logits: "Logits, in two dimensions" };
  const SIDES = { left: "Left", right: "Right" };
  const format = (n) => n.toLocaleString("en-US");
  const percent = (x) => `${(100 * x).toFixed(x > 0.995 && x < 1 ? 2 : 1)} %`;

  // ---- numbers -----------------------------------------------------------------------------------------------
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const decoded = new Map();
  function once(key, make) {
    if (!decoded.has(key)) decoded.set(key, make());
    return decoded.get(key);
  }

  async function fetched(run, layer) {
    await Promise.all([
      plotly(), load(`explorer/run-${run.key}.js`),
      layer === "logits" && run.maps.length ? load(`explorer/maps-${run.key}.js`) : null,
    ]);
  }

  // Cosine and sine norms, a list for each recorded step.
  function spectra(run, layer) {
    return once(`${run.key} ${layer}`, () => {
      const { p, [layer]: { top, rows } } = get(`run-${run.key}`);
      const levels = new Uint16Array(bytes(rows).buffer);
      const K = (p - 1) / 2;
      return Array.from({ length: levels.length / p }, (_, time) => {
        const norm = (i) => levels[time * p + i] / 65535 * top;
        return {
          cosine: Array.from({ length: K }, (_, k) => norm(2 * k + 1)),
          sine: Array.from({ length: K }, (_, k) => norm(2 * k + 2)),
        };
      });
    });
  }

  function map(run, operation, time) {
    const { labels, cells } = get(`maps-${run.key}`);
    const p = labels.length;
    const all = once(`${run.key} maps ${operation}`, () => bytes(cells[operation]));
    return Array.from({ length: p }, (_, i) => all.subarray((time * p + i) * p, (time * p + i + 1) * p));
  }

  const stepsOf = (run, layer) => (layer === "logits" ? get(`maps-${run.key}`)?.step ?? [] : get(`run-${run.key}`).step);
  // The last recorded time that is not after a step; the first one before all of them.
  const timeAt = (steps, step) => Math.max(0, steps.findLastIndex((each) => each <= step));

  // ---- what is shown, and its address ------------------------------------------------------------------------
  const first = (operation) => runs.find((run) => run.operation === operation)?.key;
  const initial = { left: first("a+b") ?? runs[0].key, right: first("a·b") ?? "", layer: "embedding", step: null, same: false };
  let state = fromAddress();

  // #view-LEFT-RIGHT-LAYER-STEP-SCALE: letters, digits, - and _ alone, since the theme reads any fragment as a selector.
  function fromAddress() {
    const [word, left, right, layer, step, scale] = location.hash.slice(1).split("-");
    if (word !== "view") return { ...initial };
    return {
      left: byKey.has(left) ? left : initial.left,
      right: byKey.has(right) ? right : right === "none" ? "" : initial.right,
      layer: layer in LAYERS ? layer : initial.layer,
      step: /^\d+$/.test(step) ? Number(step) : null,
      same: scale === "same",
    };
  }

  const address = () => ["#view", state.left, state.right || "none", state.layer, state.step ?? "end",
    state.same ? "same" : "own"].join("-");

  // ---- controls ----------------------------------------------------------------------------------------------
  const option = (value, text) => element("option", { value, textContent: text });
  let ids = 0;
  function labelled(text, control) {
    control.id = `grokbook-explorer-${++ids}`;
    return element("div", { className: "grokbook-control" }, element("label", { htmlFor: control.id, textContent: text }), control);
  }

  const layer = element("select", {}, ...Object.entries(LAYERS).map(([key, text]) => option(key, text)));
  layer.onchange = () => change({ layer: layer.value });
  const same = element("input", { type: "checkbox" });
  same.onchange = () => change({ same: same.checked });
  const link = element("a", { textContent: "Link to this view" });
  const time = element("div", { className: "grokbook-explorer-time" });

  function pane(side) {
    const operation = element("select", {}, ...(side === "right" ? [option("", "nothing")] : []), ...operations.map((o) => option(o, o)));
    const setting = element("select");
    operation.onchange = () => change({ [side]: operation.value ? runs.find((run) => run.operation === operation.value).key : "" });
    setting.onchange = () => change({ [side]: setting.value });
    const part = element("select"); // which operation of a mixture
    part.onchange = () => redraw();
    const parts = labelled("Of the mixture", part);
    const plot = element("div", { className: "grokbook-plot" });
    const curves = element("div", { className: "grokbook-plot" });
    const said = element("p", { className: "grokbook-explorer-said" });
    const more = element("p", { className: "grokbook-sources" });
    [plot, curves].forEach((box) => box.setAttribute("role", "img"));
    const node = element(
      "section", { className: "grokbook-explorer-pane", ariaLabel: `${SIDES[side]} run` },
      labelled("Operation", operation), labelled("Run", setting), parts, said, plot, curves, more,
    );
    return { side, node, operation, setting, part, parts, plot, curves, said, more };
  }

  const panes = [pane("left"), pane("right")];
  root.replaceChildren(
    element(
      "div", { className: "grokbook-explorer-bar" }, labelled("Layer", layer), labelled("One scale for both", same),
      element("span", {}, link),
    ),
    time,
    element("div", { className: "grokbook-explorer-panes" }, ...panes.map(({ node }) => node)),
  );

  // ---- drawing -----------------------------------------------------------------------------------------------
  const shown = () => panes.map((p) => ({ ...p, run: byKey.get(state[p.side]) })).filter(({ run }) => run);

  function fill({ side, operation, setting, part, parts, node }) {
    const run = byKey.get(state[side]);
    operation.value = run?.operation ?? "";
    const siblings = runs.filter((other) => other.operation === run?.operation);
    setting.replaceChildren(...siblings.map(({ key, setting: text }) => option(key, text)));
    setting.value = run?.key ?? "";
    setting.disabled = !run;
    const many = state.layer === "logits" && run?.maps.length > 1;
    if (part.dataset.run !== run?.key) {
      part.replaceChildren(...(run?.maps ?? []).map((name, i) => option(i, name)));
      part.dataset.run = run?.key;
    }
    parts.hidden = !many;
    node.classList.toggle("empty", !run);
  }

  let turn = 0; // the latest change wins
  let ready = false; // whether all that is chosen is loaded
  async function change(changed) {
    state = { ...state, ...changed };
    const mine = ++turn;
    panes.forEach(fill);
    layer.value = state.layer;
    same.checked = state.same;
    same.disabled = state.layer === "logits";
    ready = false;
    root.dataset.state = "loading";
    const loaded = await Promise.allSettled(shown().map(({ run }) => fetched(run, state.layer)));
    if (mine !== turn) return;
    if (loaded.some(({ status }) => status === "rejected")) return fail();
    ready = true;
    const steps = [...new Set(shown().flatMap(({ run }) => stepsOf(run, state.layer)))].sort((a, b) => a - b);
    const at = state.step === null ? steps.length - 1 : timeAt(steps, state.step);
    const moves = shown().some(({ run }) => stepsOf(run, state.layer).length > 1);
    time.replaceChildren(...(moves
      ? [slider({ name: "Step", labels: steps.map(format), at, move: (i) => to(i === steps.length - 1 ? null : steps[i]) })]
      : []));
    await draw();
    if (mine === turn) root.dataset.state = "drawn";
  }

  // What a slider or a theme changes; while numbers are on their way, they bring the drawing along.
  const redraw = () => (ready ? draw() : note());

  function fail() {
    time.replaceChildren();
    panes.forEach(clear);
    shown().forEach(({ said }) => { said.textContent = "The numbers could not be loaded. Choose a run again, or reload the page."; });
    root.dataset.state = "failed";
  }

  function to(step) {
    state.step = step;
    return redraw();
  }

  async function draw() {
    note();
    const limit = Math.max(...shown().map(({ run }) => (state.layer === "logits" ? 0 : get(`run-${run.key}`)[state.layer].top)));
    await Promise.all(panes.map((p) => (byKey.has(state[p.side]) ? drawPane(p, limit) : clear(p))));
  }

  function note() {
    link.href = address();
    if (location.hash !== link.hash) history.replaceState(null, "", address());
  }

  function clear({ plot, curves, said, more }) {
    [plot, curves].forEach((box) => window.Plotly?.purge(box));
    [said, more].forEach((box) => box.replaceChildren());
  }

  async function drawPane({ side, plot, curves, said, more, part }, limit) {
    const run = byKey.get(state[side]);
    const steps = stepsOf(run, state.layer);
    const step = steps[timeAt(steps, state.step ?? Infinity)];
    more.innerHTML = "";
    more.append(
      element("a", { href: new URL(`explorer/spectra-${run.key}.csv`, grokbook.tools.base).href, download: "", textContent: "Spectra (CSV)" }),
      " · read it with ", element("code", { textContent: `grokbook runs show "${run.name}"` }),
    );
    if (!steps.length) {
      Plotly.purge(plot);
      plot.style.height = "";
      tell(said, plot, `${ending(run)} This run was published without maps of its logits; its layers are there.`);
      return drawCurves(run, curves, null);
    }
    const drawing = state.layer === "logits" ? mapFigure(run, part.selectedIndex, step, plot) : barFigure(run, step, limit);
    plot.style.height = `${drawing.height}px`;
    await Plotly.react(plot, drawing.data, { ...drawing.layout, template: template() }, config());
    tell(said, plot, `${at(run, step)} ${drawing.words}`);
    return drawCurves(run, curves, step);
  }

  const config = () => ({ responsive: true, displaylogo: false, displayModeBar: false });
  const ending = (run) => `${format(run.steps)} steps in all, ${run.ended.replace("best", "best test accuracy")}.`;

  function tell(said, plot, words) {
    said.textContent = words;
    plot.setAttribute("aria-label", words);
  }

  // Where a run stands at a step, in words.
  function at(run, step) {
    const { history } = get(`run-${run.key}`);
    const i = timeAt(history.step, step);
    const wanted = state.step ?? step;
    const over = wanted > run.steps ? ` (this run ended at step ${format(run.steps)})` : "";
    const alone = stepsOf(run, state.layer).length === 1 ? ", the only one kept" : "";
    return `Step ${format(step)}${alone}${over}: train ${percent(history.train[i])}, test ${percent(history.test[i])}.`;
  }

  function strongest(names, values, count) {
    const order = values.map((value, i) => [value, i]).sort((a, b) => b[0] - a[0]).slice(0, count);
    return order.map(([, i]) => names[i]).join(", ");
  }

  // Key frequencies, by the rule of grokbook.fourier.key_frequencies.
  function keys(k, both) {
    const limit = Math.max(...both) / 2;
    const found = k.filter((_, i) => both[i] > limit);
    return found.length > 12
      ? `${found.length} of ${k.length} frequencies are above half of the largest.`
      : `Key frequencies, above half of the largest: k = ${found.join(", ")}.`;
  }

  function barFigure(run, step, limit) {
    const { cosine, sine } = spectra(run, state.layer)[timeAt(stepsOf(run, state.layer), step)];
    const k = cosine.map((_, i) => i + 1);
    const norms = cosine.map((u, i) => [u, sine[i]]);
    const top = 1.05 * (state.same ? limit : get(`run-${run.key}`)[state.layer].top);
    const bar = (y, name, colour, shape) => ({
      type: "bar", x: k, y, name, customdata: norms,
      marker: { color: colour, pattern: { shape, solidity: 0.5 }, line: { width: 0 } },
      hovertemplate: "k = %{x}<br>cosine %{customdata[0]:.3g}<br>sine %{customdata[1]:.3g}<extra></extra>",
    });
    const both = norms.map(([u, v]) => Math.hypot(u, v));
    return {
      height: 320,
      data: [bar(cosine, "cosine", ink("1"), ""), bar(sine.map((v) => -v), "sine", ink("2"), "/")],
      layout: {
        barmode: "relative", bargap: 0.15, margin: { l: 50, r: 10, t: 30, b: 45 }, dragmode: narrow.matches ? false : "zoom",
        xaxis: { title: { text: "frequency k" } }, yaxis: { range: [-top, top], title: { text: "norm" } },
        legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
      },
      words: keys(k, both),
    };
  }

  function mapFigure(run, operation, step, plot) {
    const { labels, step: steps, tops } = get(`maps-${run.key}`);
    const index = timeAt(steps, step);
    const z = map(run, operation, index);
    const apart = plot.clientWidth < 450 ? 40 : 20;
    const ticks = labels.filter((_, i) => i === 0 || i % apart === apart - 1);
    const axis = (over) => ({ type: "category", tickvals: ticks, title: { text: `component over ${over}` }, constrain: "domain" });
    const flat = z.flatMap((row, i) => Array.from(row, (value, j) => (i || j ? value : 0)));
    const names = z.flatMap((row, i) => Array.from(row, (_, j) => `${labels[j]} × ${labels[i]}`));
    return {
      height: Math.min(480, Math.max(260, plot.clientWidth - 5)),
      data: [{
        type: "heatmap", z, x: labels, y: labels, zmin: 0, zmax: 100, colorscale: "Viridis", showscale: false,
        hovertemplate: "a: %{x}<br>b: %{y}<br>%{z} % of the largest<extra></extra>",
      }],
      layout: {
        margin: { l: 60, r: 10, t: 10, b: 55 }, dragmode: narrow.matches ? false : "zoom",
        xaxis: axis("a"), yaxis: { ...axis("b"), scaleanchor: "x", constraintoward: "top" },
      },
      words: `Brighter is larger, up to ${format(tops[operation][index])}. Strongest (over a × over b): ${strongest(names, flat, 3)}.`,
    };
  }

  function drawCurves(run, box, step) {
    const { history, grokStep } = get(`run-${run.key}`);
    const line = (y, name, colour, width) => ({ type: "scatter", mode: "lines", x: history.step.slice(1), y: y.slice(1), name, line: { color: colour, width } });
    box.style.height = "190px";
    box.setAttribute("aria-label", `Train and test accuracy against step. ${ending(run)}`);
    const mark = (x, dash) => ({ type: "line", x0: x, x1: x, y0: 0, y1: 1, yref: "paper", line: { color: ink("1"), width: 1.5, dash } });
    const marks = [...(step === null ? [] : [mark(Math.max(1, step), "dot")]), ...(grokStep === null ? [] : [mark(grokStep, "dash")])];
    return Plotly.react(box, [line(history.train, "train", ink("train"), 1.5), line(history.test, "test", ink("2"), 2.5)], {
      template: template(), shapes: marks, margin: { l: 50, r: 10, t: 25, b: 40 }, dragmode: narrow.matches ? false : "zoom",
      xaxis: { type: "log", dtick: 1, title: { text: "step" } },
      yaxis: { tickformat: ".0%", range: [-0.04, 1.06], title: { text: "accuracy" } },
      legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
    }, config());
  }

  addEventListener("hashchange", () => {
    if (location.hash === address()) return;
    state = fromAddress();
    change({});
  });
  new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  narrow.addEventListener("change", redraw);
  change({});
})();

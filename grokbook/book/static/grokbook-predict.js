/* A field in which a reader types a polynomial and reads whether it will grok: what `grokbook predict` says, in the page.
 *
 * Grammar, names and messages are those of grokbook/data (expressions, polynomials), the search for the best waves that
 * of grokbook/analysis/waves, the identity that of grokbook/analysis/flatness. The law's numbers are in the page, see
 * grokbook/book/predictor.py. Nothing is evaluated as code, and nothing is fetched.
 */
(() => {
  "use strict";
  if (!window.grokbook) return;

  // ---- polynomials: Map of 64·i + j -> BigInt, the coefficient of aⁱbʲ ------------------------------------------
  const MAX = { length: 200, degree: 32, terms: 64, size: 10n ** 18n, nesting: 16 };
  const KEY = 64, SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";
  const powers = (key) => [Math.floor(key / KEY), key % KEY];
  const clean = (f) => new Map([...f].filter(([, c]) => c));
  const degree = (f) => Math.max(0, ...[...f.keys()].map((key) => powers(key)[0] + powers(key)[1]));
  const size = (f) => [...f.values()].reduce((sum, c) => sum + (c < 0n ? -c : c), 0n);
  const scale = (f, k) => clean(new Map([...f].map(([key, c]) => [key, k * c])));

  function add(f, g) {
    const total = new Map(f);
    g.forEach((c, key) => total.set(key, (total.get(key) ?? 0n) + c));
    return clean(total);
  }

  function multiply(f, g) {
    const product = new Map();
    f.forEach((x, i) => g.forEach((y, j) => product.set(i + j, (product.get(i + j) ?? 0n) + x * y)));
    return clean(product);
  }

  function tooLarge(ofDegree, ofSize) {
    if (ofDegree > MAX.degree) return `degree ${ofDegree} is above ${MAX.degree}`;
    return ofSize > MAX.size ? `coefficients add up to more than ${MAX.size}` : "";
  }
  const excess = (f) => tooLarge(degree(f), size(f)) || (f.size > MAX.terms ? `more than ${MAX.terms} terms` : "");

  // Recursive descent, straight to coefficients; limits are checked before anything is expanded.
  function parse(text) {
    const chars = Array.from(text);
    const fail = (problem, place) => { throw new RangeError(`column ${place + 1}: ${problem}`); };
    const quoted = (one) => (one === "'" ? `"'"` : `'${one}'`);
    if (chars.length > MAX.length) fail(`longer than ${MAX.length} characters`, MAX.length);

    const SIGNS = { "−": "-", "·": "*", "×": "*", "⋅": "*" };
    const tokens = [];
    for (let i = 0; i < chars.length;) {
      const start = i, one = chars[i];
      const run = (set) => { while (i < chars.length && set.includes(chars[i])) i++; return chars.slice(start, i).join(""); };
      if ("0123456789".includes(one)) tokens.push({ kind: "number", text: run("0123456789"), place: start });
      else if (SUPERSCRIPTS.includes(one)) tokens.push({ kind: "power", text: run(SUPERSCRIPTS), place: start });
      else if (one === "*" && chars[i + 1] === "*") { tokens.push({ kind: "^", text: "**", place: start }); i += 2; }
      else if ("ab+-*^()".includes(one) || one in SIGNS) { tokens.push({ kind: SIGNS[one] ?? one, text: one, place: start }); i++; }
      else if (one === " " || one === "\t") i++;
      else fail(`unexpected character ${quoted(one)}${"/÷:".includes(one) ? ": a quotient is no polynomial" : ""}`, start);
    }
    tokens.push({ kind: "end", text: "", place: chars.length });

    let at = 0, depth = 0;
    const take = (...kinds) => (kinds.includes(tokens[at].kind) ? tokens[at++] : null);
    function expect(description, ...kinds) {
      const token = tokens[at];
      return take(...kinds)
        ?? fail(`expected ${description}, ${token.text ? `found ${quoted(token.text)}` : "the expression ends"}`, token.place);
    }
    function number(token, what, limit) {
      const value = BigInt(token.text.replace(/[^0-9]/g, (c) => SUPERSCRIPTS.indexOf(c)));
      return value > limit ? fail(`${what} above ${limit}`, token.place) : value;
    }
    const refuse = (problem, token) => { if (problem) fail(`too large: ${problem}`, token.place); };
    const checked = (f, token) => { refuse(excess(f), token); return f; };

    function sum() {
      let total = product(), token;
      while ((token = take("+", "-"))) total = checked(add(total, scale(product(), token.kind === "-" ? -1n : 1n)), token);
      return total;
    }
    function product() {
      let result = factor();
      while (["*", "a", "b", "("].includes(tokens[at].kind)) {
        const token = take("*") ?? tokens[at];
        const right = factor();
        refuse(tooLarge(degree(result) + degree(right), size(result) * size(right)), token);
        result = checked(multiply(result, right), token);
      }
      return result;
    }
    function factor() {
      let sign = 1n, token;
      while ((token = take("+", "-"))) if (token.kind === "-") sign = -sign;
      return scale(power(), sign);
    }
    function power() {
      const base = atom();
      const token = take("^", "power");
      if (!token) return base;
      const exponent = Number(number(token.kind === "power" ? token : expect("a whole number as exponent", "number"), "exponent", BigInt(MAX.degree)));
      if (["^", "power"].includes(tokens[at].kind)) fail("a power of a power needs parentheses", tokens[at].place);
      refuse(tooLarge(degree(base) * exponent, size(base) ** BigInt(exponent)), token);
      let result = new Map([[0, 1n]]);
      for (let i = 0; i < exponent; i++) result = checked(multiply(result, base), token);
      return result;
    }
    function atom() {
      const token = expect("a number, a, b or '('", "number", "a", "b", "(");
      if (token.kind === "number") return clean(new Map([[0, number(token, "number", MAX.size)]]));
      if (token.kind !== "(") return new Map([[token.kind === "a" ? KEY : 1, 1n]]);
      if (depth === MAX.nesting) fail(`more than ${MAX.nesting} parentheses deep`, token.place);
      depth++;
      const inner = sum();
      expect("')'", ")");
      depth--;
      return inner;
    }

    const f = sum();
    expect("an operator or the end", "end");
    if (degree(f) < 1) fail("an operation must depend on a or b, this one is constant", 0);
    refuse(excess(f), { place: 0 });
    if (nameOf(f).length > MAX.length) fail(`operation too large: its name would be longer than ${MAX.length} characters`, 0);
    return f;
  }

  // ---- names -------------------------------------------------------------------------------------------------
  // f(a, b) = g(a ± b) of degree 2 or more, as [sign, g]; null where there is none.
  function outer(f) {
    if (degree(f) < 2) return null;
    const g = new Map([...f].filter(([key]) => key % KEY === 0).map(([key, c]) => [key / KEY, c]));
    for (const sign of [1n, -1n]) {
      let expanded = new Map();
      for (let k = Math.max(0, ...g.keys()); k >= 0; k--) {
        expanded = add(multiply(expanded, new Map([[KEY, 1n], [1, sign]])), clean(new Map([[0, g.get(k) ?? 0n]])));
      }
      if (expanded.size === f.size && [...f].every(([key, c]) => expanded.get(key) === c)) return [sign, g];
    }
    return null;
  }

  function nameOf(f) {
    const keys = [...f.keys()].sort((x, y) => {
      const [[i, j], [k, m]] = [powers(x), powers(y)];
      return k + m - i - j || k - i;
    });
    const monomial = (key) => {
      const [i, j] = powers(key);
      const part = (base, n) => (n === 0 ? "" : n === 1 ? base : `${base}^${n}`);
      return [f.get(key), part("a", i) + part("b", j)];
    };
    const inner = outer(f);
    let summands;
    if (inner) {
      const base = inner[0] > 0n ? "(a+b)" : "(a-b)";
      const high = [...inner[1].keys()].filter((k) => k > 1).sort((x, y) => y - x).map((k) => [inner[1].get(k), `${base}^${k}`]);
      summands = [...high, ...keys.filter((key) => powers(key)[0] + powers(key)[1] <= 1).map(monomial)];
    } else {
      const lead = keys.find((key) => f.get(key) > 0n) ?? keys[0];
      summands = [monomial(lead), ...keys.filter((key) => key !== lead).map(monomial)];
    }
    return summands.map(([c, product]) => {
      const all = c < 0n ? -c : c;
      return `${c > 0n ? "+" : "-"}${all === 1n && product ? "" : all}${product}`;
    }).join("").replace(/^\+/, "");
  }

  function prettyOf(f) {
    const name = nameOf(f);
    const raised = (_, digits) => [...digits].map((digit) => SUPERSCRIPTS[digit]).join("");
    return name === "ab" ? "a·b" : name.replace(/\^([0-9]+)/g, raised).replaceAll("-", "−");
  }

  // ---- modulo p ----------------------------------------------------------------------------------------------
  function isPrime(n) {
    for (let d = 2; d * d <= n; d++) if (n % d === 0) return false;
    return n >= 2;
  }
  const residue = (c, p) => Number(((c % BigInt(p)) + BigInt(p)) % BigInt(p));

  function labelsOf(f, p) {
    const n = degree(f);
    const power = Array.from({ length: n + 1 }, () => new Uint32Array(p).fill(1));
    for (let k = 1; k <= n; k++) for (let x = 0; x < p; x++) power[k][x] = (power[k - 1][x] * x) % p;
    const labels = new Uint16Array(p * p);
    f.forEach((coefficient, key) => {
      const [i, j] = powers(key), c = residue(coefficient, p);
      for (let a = 0; a < p; a++) {
        const left = (c * power[i][a]) % p;
        for (let b = 0; b < p; b++) labels[a * p + b] = (labels[a * p + b] + left * power[j][b]) % p;
      }
    });
    return labels;
  }

  // Whether N(f_a) f_b² = N(f_b) f_a² with N(u) = u u_ab − u_a u_b, as polynomials modulo p.
  function isFlat(f, p) {
    const n = 4 * degree(f) + 1;
    const dense = (entries) => { const u = new Float64Array(n * n); entries.forEach(([i, j, c]) => { u[i * n + j] = c; }); return u; };
    const parts = (u) => { const found = []; u.forEach((c, k) => { if (c) found.push([k, c]); }); return found; };
    function times(u, v) {
      const product = new Float64Array(n * n), right = parts(v);
      for (const [i, x] of parts(u)) for (const [j, y] of right) product[i + j] = (product[i + j] + x * y) % p;
      return product;
    }
    const along = (u, axis) => dense(parts(u).flatMap(([k, c]) => {
      const [i, j] = [Math.floor(k / n), k % n];
      const e = axis ? j : i;
      return e ? [[axis ? i : i - 1, axis ? j - 1 : j, (c * e) % p]] : [];
    }));
    const bend = (u) => {
      const [one, other] = [times(u, along(along(u, 0), 1)), times(along(u, 0), along(u, 1))];
      return one.map((c, k) => (c - other[k] + p) % p);
    };
    const u = dense([...f].map(([key, c]) => [...powers(key), residue(c, p)]));
    const [fa, fb] = [along(u, 0), along(u, 1)];
    const [left, right] = [times(bend(fa), times(fb, fb)), times(bend(fb), times(fa, fa))];
    return left.every((c, k) => c === right[k]);
  }

  // ---- the best product of waves -----------------------------------------------------------------------------
  const STAGES = [[64, 20], [16, 60], [4, 2000]], TOLERANCE = 1e-8, INERTIA = 0.2;
  const SMALL = 50; // below, steps cost little and maxima are many: three times as many starts

  // Numbers that look random, the same each time (mulberry32), with a normal distribution (Box and Muller).
  function normals(seed) {
    const uniform = () => {
      seed = (seed + 0x6d2b79f5) | 0;
      let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
    return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  }

  class Table {
    constructor(labels, p) {
      this.labels = labels;
      this.p = p;
      this.counts = new Float64Array(p);
      labels.forEach((c) => { this.counts[c]++; });
      this.kept = this.counts.map((n) => (n >= p / 2 ? 1 : 0));
      this.weight = this.counts.reduce((sum, n, c) => sum + n * this.kept[c], 0);
      this.w = [new Float64Array(p), new Float64Array(p)];
      this.symmetric = labels.every((c, k) => c === labels[(k % p) * p + Math.floor(k / p)]);
    }

    // The best wave over labels, into this.w; the correlation with it.
    best(u, v) {
      const { p, labels, counts, kept, w: [re, im] } = this;
      const [ur, ui] = u, [vr, vi] = v;
      re.fill(0);
      im.fill(0);
      for (let a = 0, k = 0; a < p; a++) {
        const x = ur[a], y = ui[a];
        for (let b = 0; b < p; b++, k++) {
          const c = labels[k];
          re[c] += x * vr[b] - y * vi[b];
          im[c] += x * vi[b] + y * vr[b];
        }
      }
      let meanRe = 0, meanIm = 0;
      for (let c = 0; c < p; c++) if (kept[c]) { meanRe += re[c]; meanIm += im[c]; }
      meanRe /= this.weight;
      meanIm /= this.weight;
      let squares = 0;
      for (let c = 0; c < p; c++) {
        re[c] = kept[c] ? re[c] / counts[c] - meanRe : 0;
        im[c] = kept[c] ? im[c] / counts[c] - meanIm : 0;
        squares += counts[c] * (re[c] * re[c] + im[c] * im[c]);
      }
      const value = Math.sqrt(squares) / p, by = Math.max(value, Number.MIN_VALUE);
      for (let c = 0; c < p; c++) { re[c] /= by; im[c] /= -by; }
      return value;
    }

    // conj(Σ w(f(a, b)) v(b)) / p, a wave over a.
    toA([vr, vi]) {
      const { p, labels, w: [re, im] } = this;
      const wave = [new Float64Array(p), new Float64Array(p)];
      for (let a = 0, k = 0; a < p; a++) {
        let x = 0, y = 0;
        for (let b = 0; b < p; b++, k++) {
          const c = labels[k];
          x += re[c] * vr[b] - im[c] * vi[b];
          y += re[c] * vi[b] + im[c] * vr[b];
        }
        wave[0][a] = x / p;
        wave[1][a] = -y / p;
      }
      return wave;
    }

    // conj(Σ w(f(a, b)) u(a)) / p, a wave over b.
    toB([ur, ui]) {
      const { p, labels, w: [re, im] } = this;
      const wave = [new Float64Array(p), new Float64Array(p)], [outRe, outIm] = wave;
      for (let a = 0, k = 0; a < p; a++) {
        const x = ur[a] / p, y = ui[a] / p;
        for (let b = 0; b < p; b++, k++) {
          const c = labels[k];
          outRe[b] += re[c] * x - im[c] * y;
          outIm[b] -= re[c] * y + im[c] * x;
        }
      }
      return wave;
    }
  }

  function normalised([re, im]) {
    const p = re.length, mean = (x) => x.reduce((sum, each) => sum + each, 0) / p;
    const [mr, mi] = [mean(re), mean(im)];
    let squares = 0;
    for (let x = 0; x < p; x++) { re[x] -= mr; im[x] -= mi; squares += re[x] * re[x] + im[x] * im[x]; }
    const norm = Math.sqrt(squares / p) || 1;
    return [re.map((x) => x / norm), im.map((x) => x / norm)];
  }

  // Climbs from random starts, of which fewer and fewer go on; yields after each of its steps.
  function* climb(table, oneWave) {
    const { p } = table, normal = normals(oneWave ? 1 : 2);
    const wave = () => normalised([Float64Array.from({ length: p }, normal), Float64Array.from({ length: p }, normal)]);
    const more = p < SMALL ? 3 : 1;
    let starts = Array.from({ length: STAGES[0][0] * more }, () => { const u = wave(); return { u, v: oneWave ? u : wave(), value: 0 }; });
    for (const [ofLarge, steps] of STAGES) {
      const count = ofLarge * more;
      starts = starts.sort((x, y) => y.value - x.value).slice(0, count);
      starts.forEach((start) => { start.value = 0; });
      for (let step = 0; step < steps; step++) {
        for (const start of starts) {
          const { u, v } = start;
          const value = table.best(u, v);
          start.arrived = value - start.value <= TOLERANCE * value;
          start.value = value;
          const ofA = table.toA(v);
          if (oneWave) {
            const ofB = table.symmetric ? ofA : table.toB(u);
            const kept = (part) => ofA[part].map((x, i) => (x + ofB[part][i]) / 2 + INERTIA * value * u[part][i]);
            start.u = start.v = normalised([kept(0), kept(1)]);
          } else {
            start.u = normalised(ofA);
            start.v = normalised(table.toB(start.u));
          }
          yield;
        }
        if (starts.every(({ arrived }) => arrived)) break;
      }
    }
    starts.forEach((start) => { start.value = table.best(start.u, start.v); });
    const best = starts.reduce((x, y) => (y.value > x.value ? y : x));
    return best.arrived ? Math.min(best.value, 1) : NaN;
  }

  // A generator to its end, in slices that leave the page time to answer; null where nobody waits any more.
  const SLICE = 12; // ms
  async function sliced(work, wanted) {
    const channel = new MessageChannel();
    const turn = () => new Promise((resolve) => { channel.port1.onmessage = resolve; channel.port2.postMessage(null); });
    try {
      for (;;) {
        for (const end = performance.now() + SLICE; performance.now() < end;) {
          const { done, value } = work.next();
          if (done) return value;
        }
        await turn();
        if (!wanted()) return null;
      }
    } finally {
      channel.port1.close();
    }
  }

  // ---- the law -----------------------------------------------------------------------------------------------
  // The normal distribution function, by the Chebyshev fit of erfc in Numerical Recipes (to 1e-7).
  function normalBelow(z) {
    const x = Math.abs(z) / Math.SQRT2, t = 1 / (1 + 0.5 * x);
    const terms = [-1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587, -0.82215223, 0.17087277];
    const tail = t * Math.exp(-x * x + terms.reduceRight((sum, c) => sum * t + c, 0)) / 2;
    return z < 0 ? tail : 1 - tail;
  }

  function lawOf({ law, budget, quantile }, rho, p, fraction) {
    const exponent = law.intercept + law.noise / Math.max(rho ** 2 * 2 * fraction * p, 1e-9) + law.fraction * Math.log(fraction);
    const steps = Math.exp(exponent), factor = Math.exp(law.spread * quantile);
    const probability = normalBelow((Math.log(budget) - exponent) / law.spread);
    return { steps, probability, interval: [steps / factor, steps * factor] };
  }

  // All that is predicted of a polynomial; RangeError with a line for the reader where there is nothing to predict.
  async function predict(settings, text, p, fraction, wanted = () => true) {
    const refuse = (line, field = "formula") => { throw Object.assign(new RangeError(line), { field }); };
    const f = parse(text);
    if (!Number.isInteger(p) || p < 3) refuse(`p must be a prime from 3 to ${settings.largest}`, "p");
    if (!isPrime(p)) refuse(`p must be prime, ${p} is not`, "p");
    if (p > settings.largest) refuse(`p = ${p} is too large for this page, which goes up to ${settings.largest}`, "p");
    if (!(fraction > 0 && fraction < 1)) refuse("r must lie strictly between 0 and 1", "r");
    if (Math.floor(fraction * p * p + 1e-9) === 0) refuse(`r = ${fraction} of ${p * p} pairs leaves nothing to train on`, "r");
    const labels = labelsOf(f, p), name = nameOf(f);
    if (labels.every((c) => c === labels[0])) refuse(`${name} has the same value at every pair mod ${p}: there must be something to learn`);
    if (labels.every((c, k) => c === labels[k % p])) refuse(`${name} does not depend on a mod ${p}: an operation of two operands is needed`);
    if (labels.every((c, k) => c === labels[k - (k % p)])) refuse(`${name} does not depend on b mod ${p}: an operation of two operands is needed`);
    const table = new Table(labels, p);
    if (table.kept.filter(Boolean).length < 2) refuse("no wave runs over the labels: fewer than two of them have p/2 pairs or more");
    const symmetric = await sliced(climb(table, true), wanted);
    // The formula counts, not the table: grokbook.analysis.waves asks it whether one wave is enough.
    const mirrored = [...f].every(([key, c]) => f.get(powers(key)[1] * KEY + powers(key)[0]) === c);
    const free = symmetric === null || mirrored ? symmetric : await sliced(climb(table, false), wanted);
    if (free === null) return null;
    if (Number.isNaN(symmetric) || Number.isNaN(free)) refuse(`the search for the best wave of ${name} modulo ${p} did not come to an end`);
    const flat = degree(f) < p ? isFlat(f, p) : null;
    const found = { pretty: prettyOf(f), name, p, fraction, flat, rho: free, rhoSym: symmetric, ...lawOf(settings, symmetric, p, fraction) };
    return { ...found, sentences: sentencesOf(settings, found) };
  }

  const whole = (n) => Math.round(n).toLocaleString("en-US");
  const inPercent = (share) => (share < 0.01 ? "less than 1 %" : share > 0.99 ? "more than 99 %" : `${Math.round(100 * share)} %`);
  function sentencesOf({ budget, far, moduli }, { pretty, p, fraction, flat, rho, rhoSym, probability, steps, interval }) {
    const disguise = flat === null ? "a polynomial of too high a degree for its formula to tell more"
      : `${flat ? "a" : "no"} sum or product in disguise`;
    return [
      `${pretty} modulo ${p} is ${disguise}.`,
      `Its best product of waves has a correlation of ${rho.toFixed(3)}, and of ${rhoSym.toFixed(3)} where a and b have one embedding.`,
      `Trained on ${Number((100 * fraction).toPrecision(3))} % of the pairs, it groks within ${whole(budget)} steps with a probability of ${inPercent(probability)}.`,
      steps < far
        ? `Half of such runs grok by step ${whole(steps)}, and 80 % between ${whole(interval[0])} and ${whole(interval[1])}.`
        : `Half of such runs would need more than ${whole(far)} steps.`,
      ...(p < moduli[0] || p > moduli[1] ? [`The law knows no run with p outside ${moduli[0]} to ${moduli[1]}: take this for a guess.`] : []),
    ];
  }

  grokbook.prediction = { parse, nameOf, prettyOf, predict };

  // ---- the field ---------------------------------------------------------------------------------------------
  const { element } = grokbook.tools;
  document.querySelectorAll(".grokbook-predictor").forEach((root, index) => {
    const settings = JSON.parse(root.dataset.settings);
    const id = (name) => `grokbook-predictor-${index}-${name}`;
    const field = (name, label, properties) => {
      const input = element("input", { id: id(name), autocomplete: "off", ...properties });
      return [input, element("div", { className: `grokbook-predictor-${name}` }, element("label", { htmlFor: input.id, textContent: label }), input)];
    };
    const [formula, formulaBox] = field("formula", "f(a, b) =", { type: "text", value: settings.examples[0], spellcheck: false, maxLength: MAX.length });
    formula.setAttribute("autocapitalize", "off");
    const [modulus, modulusBox] = field("p", "p", { type: "number", min: 3, max: settings.largest, step: 1, value: settings.p, inputMode: "numeric" });
    const [fraction, fractionBox] = field("r", "r", { type: "number", min: 0.01, max: 0.99, step: "any", value: settings.fraction, inputMode: "decimal" });
    modulus.ariaLabel = "p, the prime modulus";
    fraction.ariaLabel = "r, the share of pairs to train on";
    const ask = element("button", { type: "submit", textContent: "Will it grok?" });
    const form = element("form", { className: "grokbook-predictor-form", noValidate: true }, formulaBox, modulusBox, fractionBox, ask);
    const examples = element("p", { className: "grokbook-predictor-examples" }, "Try ");
    for (const text of settings.examples) {
      const button = element("button", { type: "button", textContent: prettyOf(parse(text)) });
      button.onclick = () => { formula.value = text; answer(); };
      examples.append(button, " ");
    }
    const result = element("div", { className: "grokbook-predictor-result", id: id("result") });
    result.setAttribute("role", "status");
    root.replaceChildren(form, examples, result);

    let turn = 0;
    async function answer() {
      const mine = ++turn;
      [formula, modulus, fraction].forEach((input) => input.removeAttribute("aria-invalid"));
      root.dataset.state = "busy";
      result.replaceChildren(element("p", { textContent: "Looking for the best waves …" }));
      try {
        const found = await predict(settings, formula.value, modulus.valueAsNumber, fraction.valueAsNumber, () => mine === turn);
        if (found === null) return;
        show(found);
        root.dataset.state = "done";
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        (({ p: modulus, r: fraction })[error.field] ?? formula).setAttribute("aria-invalid", "true");
        const line = error.message.startsWith("column ") ? `Cannot read it: ${error.message}` : error.message;
        result.replaceChildren(element("p", { className: "grokbook-predictor-wrong", textContent: `${line}.` }));
        root.dataset.state = "refused";
      }
    }

    function show(found) {
      const percent = Math.round(100 * found.probability);
      const bar = element("div", { className: "grokbook-predictor-bar" }, element("span"));
      bar.firstChild.style.width = `${Math.max(1, percent)}%`;
      bar.setAttribute("aria-hidden", "true");
      const large = element("p", { className: "grokbook-predictor-large" },
        element("strong", { textContent: inPercent(found.probability) }), ` to grok within ${whole(settings.budget)} steps`);
      result.replaceChildren(large, bar, element("p", { textContent: found.sentences.join(" ") }));
      mark(found);
    }

    // A star in the figure of the law, where that is about this p and r.
    function mark({ rhoSym, steps, p, fraction: r, pretty }) {
      const plot = document.querySelector(`.grokbook-figure[data-name="${settings.figure}"] .grokbook-plot`);
      const at = plot?.data?.findIndex((trace) => trace.name === "yours") ?? -1;
      if (at < 0 || !window.Plotly) return;
      const here = p === settings.p && r === settings.fraction;
      const y = Math.min(steps, 10 ** plot.layout.yaxis.range[1] / 1.6);
      Plotly.restyle(plot, { x: [[here ? rhoSym : null]], y: [[here ? y : null]], text: [[pretty]], showlegend: here }, [at]).catch(console.error);
    }

    form.onsubmit = (event) => { event.preventDefault(); answer(); };
  });
})();

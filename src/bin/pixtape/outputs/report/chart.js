"use strict";
// Curves as SVG. All charts of a page share one view: the steps shown, the step under the cursor, smoothing, logarithmic axes.
const data = JSON.parse(document.getElementById("data").textContent);
const charts = [];
const view = { from: NaN, to: NaN, cursor: null, share: 0, log: false };
const HEIGHT = 240, TOP = 12, RIGHT = 12, BOTTOM = 34;

function svg(name, attributes = {}, text = null) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== null) node.textContent = text;
  return node;
}

function html(name, className = "", text = null) {
  const node = document.createElement(name);
  if (className) node.className = className;
  if (text !== null) node.textContent = text;
  return node;
}

// Four digits that count, in the reader's own notation.
function say(value) {
  if (value === null || !Number.isFinite(value)) return "–";
  if (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e7)) return value.toExponential(2);
  return value.toLocaleString("en", { maximumSignificantDigits: 4 });
}

// The next of 1, 2, 5, 10, … that is not below a value.
function round(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map(f => f * power).find(step => step >= value * 0.9999);
}

// The first index whose value is not below the one wanted.
function search(sorted, wanted) {
  let low = 0, high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < wanted) low = middle + 1; else high = middle;
  }
  return low;
}

function nearest(sorted, wanted) {
  const at = search(sorted, wanted);
  return at > 0 && (at === sorted.length || wanted - sorted[at - 1] < sorted[at] - wanted) ? at - 1 : at;
}

// A running mean that looks `half` places both ways, as far as there are any; places without a value do not count.
function mean(values, half) {
  const sums = [0], counts = [0];
  values.forEach((v, i) => {
    sums.push(sums[i] + (v ?? 0));
    counts.push(counts[i] + (v === null ? 0 : 1));
  });
  return values.map((_, i) => {
    const from = Math.max(0, i - half), to = Math.min(values.length, i + half + 1);
    const n = counts[to] - counts[from];
    return n ? (sums[to] - sums[from]) / n : null;
  });
}

// Twice, so that the weights fall off to both sides; `steps` is the whole width.
function smooth(xs, values, steps) {
  const each = (xs[xs.length - 1] - xs[0]) / Math.max(xs.length - 1, 1);
  const half = Math.floor(steps / (each || 1) / 4);
  return half > 0 ? mean(mean(values, half), half) : values;
}

function range() {
  let from = Infinity, to = -Infinity;
  for (const xs of data.steps) if (xs.length) {
    from = Math.min(from, xs[0]);
    to = Math.max(to, xs[xs.length - 1]);
  }
  return from > to ? [0, 1] : from === to ? [from, from + 1] : [from, to];
}

// Steps that the smoothing takes together.
function window_steps() {
  const [from, to] = range();
  return Math.round((to - from) * 0.25 * view.share ** 2);
}

class Chart {
  constructor(figure, spec) {
    Object.assign(this, { figure, spec, plot: figure.querySelector(".plot"), hidden: new Set(), drag: null });
    this.series = spec.series.map((s, i) => ({ ...s, xs: data.steps[s.x], colour: `var(--c${i % 8})`, dash: i < 8 ? "" : "6 3" }));
    this.plot.tabIndex = 0;
    this.plot.setAttribute("role", "group");
    this.plot.setAttribute("aria-label", `Curves: ${spec.title}. Arrow keys move along the steps, plus and minus zoom, Escape shows the whole run.`);
    this.legend = html("div", "legend");
    this.where = html("span", "where");
    this.where.setAttribute("aria-live", "polite");
    figure.append(this.legend);
    this.legend.append(this.where);
    this.series.forEach((s, i) => this.legend.append(this.key(s, i)));
    this.listen();
    new ResizeObserver(() => this.draw()).observe(this.plot);
  }

  key(series, i) {
    const button = html("button", "key");
    button.type = "button";
    button.setAttribute("aria-pressed", "true");
    button.title = "Show or hide this curve";
    const line = html("i");
    line.style.background = series.colour;
    series.value = html("b");
    button.append(line, html("span", "", series.name), series.value);
    button.addEventListener("click", () => {
      if (!this.hidden.delete(i)) this.hidden.add(i);
      button.setAttribute("aria-pressed", String(!this.hidden.has(i)));
      this.draw();
    });
    return button;
  }

  listen() {
    const step = event => {
      const x = event.clientX - this.plot.getBoundingClientRect().left;
      return view.from + (view.to - view.from) * Math.min(1, Math.max(0, (x - this.left) / (this.right - this.left)));
    };
    this.plot.addEventListener("pointerdown", event => {
      if (event.button === 0) this.drag = { at: event.clientX, from: step(event) };
    });
    this.plot.addEventListener("pointermove", event => {
      if (this.drag && Math.abs(event.clientX - this.drag.at) > 6) {
        this.drag.to = step(event);
        this.plot.setPointerCapture(event.pointerId);
        this.band.setAttribute("x", this.across(Math.min(this.drag.from, this.drag.to)));
        this.band.setAttribute("width", Math.abs(this.across(this.drag.to) - this.across(this.drag.from)));
      }
      point(step(event));
    });
    this.plot.addEventListener("pointerup", () => {
      const drag = this.drag;
      this.drag = null;
      this.band?.setAttribute("width", 0);
      if (drag?.to !== undefined) zoom(Math.min(drag.from, drag.to), Math.max(drag.from, drag.to));
    });
    this.plot.addEventListener("pointercancel", () => {
      this.drag = null;
      this.band?.setAttribute("width", 0);
    });
    this.plot.addEventListener("pointerleave", event => event.pointerType === "mouse" && point(null));
    this.plot.addEventListener("dblclick", () => zoom(...range()));
    this.plot.addEventListener("keydown", event => {
      const span = view.to - view.from, at = view.cursor ?? view.to, by = span / (event.shiftKey ? 10 : 100);
      const moves = { ArrowLeft: at - by, ArrowRight: at + by, Home: view.from, End: view.to };
      if (event.key in moves) point(Math.min(view.to, Math.max(view.from, moves[event.key])));
      else if (event.key === "+" || event.key === "=") zoom(at - span / 4, at + span / 4);
      else if (event.key === "-") zoom(at - span, at + span);
      else if (event.key === "Escape") { point(null); zoom(...range()); }
      else return;
      event.preventDefault();
    });
  }

  across(step) { return this.left + (this.right - this.left) * (step - view.from) / (view.to - view.from); }

  up(value) {
    const place = v => this.log ? Math.log10(v) : v;
    return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * (place(value) - place(this.low)) / (place(this.high) - place(this.low));
  }

  // The smoothed curves decide the axis, and measured values but for the rarest: one spike must not flatten all the rest.
  limits() {
    let strong = [], faint = [];
    for (const s of this.shown) {
      const from = Math.max(0, search(s.xs, view.from) - 1), to = search(s.xs, view.to) + 1;
      const usable = v => v !== null && (!this.log || v > 0);
      strong.push(...s.line.slice(from, to).filter(usable));
      faint.push(...(s.low ?? s.y).slice(from, to).filter(usable), ...(s.high ?? s.y).slice(from, to).filter(usable));
    }
    for (const line of this.spec.lines) strong.push(line.y);
    faint.sort((a, b) => a - b);
    const cut = share => faint.length ? [faint[Math.round(share * (faint.length - 1))]] : [];
    const all = [...strong, ...cut(0.01), ...cut(0.99)];
    if (!all.length) return [this.log ? 0.1 : 0, 1, 1];
    const fold = pick => all.reduce((a, b) => pick(a, b));
    let low = fold(Math.min), high = fold(Math.max);
    if (this.log) return [low / 1.15, high * 1.15 + (low === high ? 1e-9 : 0), 0];
    if (this.spec.zero && low > 0) low = 0;
    if (low === high) [low, high] = low === 0 ? [0, 1] : [low - Math.abs(low) * 0.05, high + Math.abs(high) * 0.05];
    const step = round((high - low) / 4);
    return [Math.floor(low / step + 1e-9) * step, Math.ceil(high / step - 1e-9) * step, step];
  }

  ticks(step) {
    if (!this.log) return Array.from({ length: Math.round((this.high - this.low) / step) + 1 }, (_, i) => this.low + i * step);
    const list = [];
    for (let power = Math.floor(Math.log10(this.low)); power <= Math.log10(this.high); power++)
      for (const f of this.high / this.low > 200 ? [1] : [1, 2, 5]) list.push(f * 10 ** power);
    return list.filter(v => v >= this.low && v <= this.high);
  }

  draw() {
    const width = this.plot.clientWidth;
    if (!width) return;
    this.log = view.log && this.spec.loss;
    this.shown = this.series.filter((_, i) => !this.hidden.has(i));
    for (const s of this.series) s.line = this.spec.loss ? smooth(s.xs, s.y, window_steps()) : s.y;
    const [low, high, step] = this.limits();
    Object.assign(this, { low, high });
    const ticks = this.ticks(step), names = ticks.map(say);
    this.left = 16 + 7 * Math.max(...names.map(n => n.length), 3);
    this.right = width - RIGHT;
    const root = svg("svg", { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, "aria-hidden": "true" });
    const clip = svg("clipPath", { id: `clip${charts.indexOf(this)}` });
    clip.append(svg("rect", { x: this.left, y: TOP - 2, width: Math.max(this.right - this.left, 1), height: HEIGHT - BOTTOM - TOP + 4 }));
    root.append(clip);
    ticks.forEach((v, i) => {
      const y = this.up(v).toFixed(1);
      root.append(svg("line", { class: "grid", x1: this.left, x2: this.right, y1: y, y2: y }));
      root.append(svg("text", { x: this.left - 6, y: +y + 4, "text-anchor": "end" }, names[i]));
    });
    const each = Math.max(1, round((view.to - view.from) / Math.max(2, Math.floor((this.right - this.left) / 90))));
    for (let v = Math.ceil(view.from / each) * each; v <= view.to; v += each)
      root.append(svg("text", { x: this.across(v), y: HEIGHT - BOTTOM + 17, "text-anchor": "middle" }, v.toLocaleString("en")));
    root.append(svg("text", { x: this.right, y: HEIGHT - 3, "text-anchor": "end" }, "step"));
    const inside = svg("g", { "clip-path": `url(#${clip.id})` });
    for (const s of this.shown) this.curve(inside, s);
    for (const line of this.spec.lines) {
      const y = this.up(line.y).toFixed(1);
      inside.append(svg("line", { class: "level", x1: this.left, x2: this.right, y1: y, y2: y }));
      inside.append(svg("text", { class: "halo", x: this.right - 4, y: +y - 5, "text-anchor": "end" }, line.label));
    }
    this.mark(inside);
    this.band = svg("rect", { class: "band", y: TOP, height: HEIGHT - BOTTOM - TOP, width: 0 });
    this.cursor = svg("g");
    inside.append(this.band, this.cursor);
    root.append(inside);
    this.plot.replaceChildren(root);
    this.point();
  }

  curve(inside, s) {
    const from = Math.max(0, search(s.xs, view.from) - 1), to = search(s.xs, view.to) + 1;
    const path = values => {
      let text = "", pen = "M", alone = true;
      values.slice(from, to).forEach((v, i) => {
        if (v === null || (this.log && v <= 0)) { pen = "M"; return; }
        text += `${pen}${this.across(s.xs[from + i]).toFixed(1)} ${this.up(v).toFixed(1)}`;
        if (pen === "L") alone = false;
        pen = "L";
      });
      return alone && text ? text + "h4" : text;
    };
    const style = `stroke:${s.colour};stroke-dasharray:${s.dash || "none"}`;
    if (s.low) {
      const floor = this.log ? this.low : -Infinity;
      const places = s.low.map((v, i) => i).slice(from, to).filter(i => s.low[i] !== null && (!this.log || s.high[i] > 0));
      const at = (i, v) => `${this.across(s.xs[i]).toFixed(1)} ${this.up(Math.max(v, floor)).toFixed(1)}`;
      if (places.length) {
        const there = places.map(i => at(i, s.high[i])), back = places.map(i => at(i, s.low[i])).reverse();
        inside.append(svg("path", { class: "spread", style: `fill:${s.colour}`, d: `M${there.concat(back).join("L")}Z` }));
      }
    } else if (s.line !== s.y) {
      inside.append(svg("path", { class: "raw", style, d: path(s.y) }));
    }
    inside.append(svg("path", { class: "curve", style, d: path(s.line) }));
  }

  mark(inside) {
    const mark = this.spec.mark;
    if (!mark) return;
    const x = this.across(mark.x), y = this.up(mark.y), end = x > this.right - 90;
    inside.append(svg("circle", { class: "mark", cx: x, cy: y, r: 5 }));
    inside.append(svg("text", { class: "halo", x: end ? x - 9 : x + 9, y: y < TOP + 20 ? y + 16 : y - 8, "text-anchor": end ? "end" : "start" }, mark.label));
  }

  // The cursor's line and dots, and the values in the legend: at the cursor, or at the end.
  point() {
    if (!this.cursor) return;
    this.cursor.replaceChildren();
    const at = view.cursor ?? view.to;
    if (view.cursor !== null) this.cursor.append(svg("line", { class: "cursor", x1: this.across(at), x2: this.across(at), y1: TOP, y2: HEIGHT - BOTTOM }));
    let shown = null;
    for (const s of this.series) {
      const i = nearest(s.xs, at), value = s.line[i] ?? null;
      if (shown === null || Math.abs(s.xs[i] - at) < Math.abs(shown - at)) shown = s.xs[i] ?? shown;
      s.value.textContent = s.line !== s.y && s.y[i] !== null ? `${say(value)} (${say(s.y[i])})` : say(value);
      if (view.cursor !== null && value !== null && this.shown.includes(s) && !(this.log && value <= 0))
        this.cursor.append(svg("circle", { cx: this.across(s.xs[i]), cy: this.up(value), r: 3.5, style: `fill:${s.colour}` }));
    }
    shown ??= at;
    const epoch = search(data.epochs, shown + 0.5);
    this.where.textContent = `step ${Math.round(shown).toLocaleString("en")}${epoch ? ` · epoch ${epoch}` : ""}`;
  }
}

function point(step) {
  view.cursor = step;
  charts.forEach(chart => chart.point());
}

function zoom(from, to) {
  const [first, last] = range();
  // A zoom beyond a few steps shows nothing.
  const least = Math.min(4, last - first);
  [from, to] = [Math.max(first, from), Math.min(last, to)];
  if (to - from < least) from = Math.max(first, Math.min(last - least, (from + to - least) / 2));
  [view.from, view.to] = [from, Math.max(to, from + least)];
  for (const button of document.querySelectorAll("[data-whole]")) button.disabled = view.from <= first && view.to >= last;
  charts.forEach(chart => chart.draw());
}

[view.from, view.to] = range();
for (const figure of document.querySelectorAll("[data-chart]")) charts.push(new Chart(figure, data.charts[figure.dataset.chart]));

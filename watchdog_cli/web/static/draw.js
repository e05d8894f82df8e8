// Pictures: the charts (uPlot), the strip of the day, the small lines beside the tokens.
import { say, size } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function svg(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

class Chart {
  constructor(box, name, show, least) {
    this.box = box;
    this.name = name;
    this.show = show;
    this.least = least;
    this.plot = null;
    this.data = [[], []];
    new ResizeObserver(() => this.resize()).observe(box);
  }

  build() {
    this.plot?.destroy();
    const line = colour(this.name), soft = colour("--soft"), grid = colour("--line");
    const pad = (value) => String(value).padStart(2, "0");
    const axis = { stroke: soft, font: "11px system-ui, sans-serif", grid: { stroke: grid, width: 1 }, ticks: { show: false } };
    this.plot = new uPlot(
      {
        width: Math.max(80, this.box.clientWidth), height: 140, padding: [8, 6, 0, 0],
        cursor: { y: false, points: { size: 6 } }, legend: { show: false },
        scales: { x: { time: true }, y: { range: (_, low, high) => [0, Math.max(this.least, (high ?? 0) * 1.15)] } },
        axes: [
          { ...axis, grid: { show: false }, size: 26, space: 70, values: (_, marks) => marks.map((at) => { const t = new Date(at * 1000); return `${pad(t.getHours())}:${pad(t.getMinutes())}`; }) },
          { ...axis, size: 58, space: 34, values: (_, marks) => marks.map((value) => this.show(value)) },
        ],
        series: [{}, { stroke: line, width: 1.6, fill: `${line}1f`, spanGaps: false, points: { show: false } }],
      },
      this.data, this.box,
    );
  }

  set(times, values) {
    this.data = [times, values];
    if (this.plot) this.plot.setData(this.data);
    else if (this.box.clientWidth) this.build();
  }

  resize() {
    const width = this.box.clientWidth;
    if (width && !this.plot) this.build();
    else if (width && this.plot && Math.abs(this.plot.width - width) > 1) this.plot.setSize({ width, height: 140 });
  }

  redraw() {
    if (this.plot) this.build();
  }
}

export function makeCharts() {
  const box = (id) => document.getElementById(id);
  const number = (value) => (value >= 10 || Number.isInteger(value) ? String(Math.round(value)) : value.toFixed(1));
  return {
    memory: new Chart(box("chart-memory"), "--info", size, 1e6),
    cpu: new Chart(box("chart-cpu"), "--ok", (value) => `${number(value)} %`, 5),
    beat: new Chart(box("chart-beat"), "--warn", (value) => `${number(value)} s`, 2),
  };
}

export function drawStrip(box, spans, now) {
  const day = 86400, start = now - day, width = 1000;
  const picture = svg("svg", { viewBox: `0 0 ${width} 30`, preserveAspectRatio: "none" });
  const sums = {};
  for (const span of spans) {
    const from = Math.max(start, Date.parse(span.since) / 1000), to = Math.min(now, Date.parse(span.until) / 1000);
    if (!(to >= from) || !["up", "down", "planned", "standby", "unknown"].includes(span.kind)) continue;
    sums[span.kind] = (sums[span.kind] ?? 0) + (to - from);
    const least = span.kind === "down" ? 4 : 2; // an outage is seen however short it was
    picture.append(svg("rect", { class: span.kind, x: ((from - start) / day) * width, y: 0, width: Math.max(least, ((to - from) / day) * width), height: 30 }));
  }
  document.getElementById("k-standby").hidden = !sums.standby;
  for (const rect of picture.querySelectorAll(".down")) picture.append(rect);
  const hours = document.createElement("p");
  hours.className = "hours";
  for (const ago of [24, 18, 12, 6, 0]) {
    const mark = document.createElement("span");
    mark.textContent = say("hours_ago", ago);
    hours.append(mark);
  }
  const words = Object.entries(sums).map(([kind, seconds]) => `${say(`k_${kind}`)} ${((100 * seconds) / day).toFixed(1)} %`);
  box.setAttribute("aria-label", words.join(", ") || say("nothing"));
  box.replaceChildren(picture, hours);
}

export function sparkline(values, kind) {
  const picture = svg("svg", { viewBox: "0 0 84 24", class: kind, "aria-hidden": "true" });
  if (values.length > 1) {
    const low = Math.min(...values), high = Math.max(...values), span = high - low || 1;
    const points = values.map((value, nth) => `${((nth * 80) / (values.length - 1) + 2).toFixed(1)},${(21 - ((value - low) / span) * 18).toFixed(1)}`);
    picture.append(svg("polyline", { points: points.join(" "), "stroke-linejoin": "round", "stroke-linecap": "round" }));
  }
  return picture;
}

import { create, write } from "./dom.js";
import { clock, figure } from "./format.js";
import uPlot from "./uPlot.esm.js";

/** Seconds shown. */
export const WINDOW = 900;
/** Seconds between updates of a chart's text alternative: no faster than it can be read. */
const DESCRIBE_EVERY = 10;
const compact = new Intl.NumberFormat("en", { notation: "compact" });
const minute = new Intl.DateTimeFormat("en-GB", { timeStyle: "short" });

/** Plots fields of the samples over the last fifteen minutes. Its legend shows the latest values, or those under the pointer. */
export class Chart {
  #described = -Infinity;
  #samples = [];
  #shown;

  /** series: [{ field, label, bars }], each drawn in the colour of page.css named after its field. */
  constructor({ title, unit, min, series }, sync) {
    this.title = title;
    this.unit = unit;
    this.series = series;
    this.values = series.map(() => create("b"));
    this.at = create("time");
    this.plot = create("div", { class: "plot", role: "img" });
    this.element = create("figure", { class: "chart" },
      create("figcaption", {},
        create("h3", {}, title, " ", create("small", { class: "muted" }, unit)),
        this.at,
        create("ul", { class: "legend" }, ...series.map(({ field, label, bars }, i) =>
          create("li", { class: bars ? "bars" : i ? "dashed" : "line", "data-series": field }, `${label} `, this.values[i])))),
      this.plot);
    this.now = 0;
    this.#readColours();
    this.chart = new uPlot(this.#options(min, sync), [[], ...series.map(() => [])], this.plot);
    this.resized = new ResizeObserver(([{ contentRect }]) => this.chart.setSize({ width: Math.floor(contentRect.width), height: Math.floor(contentRect.height) }));
    this.resized.observe(this.plot);
  }

  /** samples: oldest first; now: seconds; paint: false keeps the picture. */
  update(samples, now, paint) {
    this.#samples = samples;
    this.now = now;
    if (paint) {
      this.chart.setData([samples.map(s => s.at), ...this.series.map(({ field }) => samples.map(s => s[field] ?? null))]);
    }
    this.#showValues();
    if (now - this.#described >= DESCRIBE_EVERY) {
      this.#described = now;
      this.#describe();
    }
  }

  recolour() {
    this.#readColours();
    this.chart.redraw();
  }

  remove() {
    this.resized.disconnect();
    this.chart.destroy();
  }

  #readColours() {
    const style = getComputedStyle(document.documentElement);
    this.colours = name => style.getPropertyValue(`--${name}`);
    this.font = `11px ${style.fontFamily}`;
  }

  #options(min, sync) {
    const axis = { stroke: () => this.colours("muted"), font: this.font, ticks: { show: false } };
    return {
      width: 300,
      height: 156,
      padding: [8, 18, 0, 0],
      legend: { show: false },
      select: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 }, sync: { key: sync } },
      scales: {
        x: { range: () => [this.now - WINDOW, this.now] },
        y: { range: (_, __, max) => [0, 1.1 * Math.max(max, min)] },
      },
      axes: [
        { ...axis, size: 22, space: 42, grid: { show: false }, incrs: [60, 120, 300], values: (_, splits) => splits.map(at => minute.format(at * 1000)) },
        { ...axis, size: 40, gap: 6, space: 34, grid: { stroke: () => this.colours("grid"), width: 1 }, values: (_, splits) => splits.map(compact.format) },
      ],
      series: [{}, ...this.series.map(({ field, bars }, i) => ({
        stroke: () => this.colours(field),
        fill: bars || !i ? () => this.colours(bars ? field : `${field}-area`) : undefined,
        width: bars ? 0 : 1.75,
        dash: i && !bars ? [4, 3] : undefined,
        paths: bars ? uPlot.paths.bars({ size: [0.8, 8, 4] }) : undefined,
        points: { show: false },
      }))],
      hooks: { setCursor: [chart => {
        this.#shown = chart.cursor.left >= 0 ? chart.cursor.idx : null;
        this.#showValues();
      }] },
    };
  }

  #showValues() {
    const pointed = this.#samples[this.#shown];
    const sample = pointed ?? this.#samples.at(-1);
    write(this.at, pointed ? clock(pointed.at * 1000) : "");
    this.series.forEach(({ field }, i) => write(this.values[i], figure(sample?.[field])));
  }

  #describe() {
    const parts = this.series.map(({ field, label }) => {
      const values = this.#samples.map(s => s[field]).filter(value => value != null);
      return `${label} ${figure(this.#samples.at(-1)?.[field])}, at most ${figure(values.length ? Math.max(...values) : null)}`;
    });
    this.plot.ariaLabel = `${this.title}, ${this.unit}, now and in the last 15 minutes: ${parts.join("; ")}`;
  }
}

import { Chart, WINDOW } from "./chart.js";
import { Destinations } from "./destinations.js";
import { byId, create, partsOf, write, writeState } from "./dom.js";
import { count } from "./format.js";

/** Seconds without a sample before a line breaks. */
const GAP = 3;

const CHARTS = [
  { title: "Requests", unit: "per second", min: 1, series: [{ field: "requests", label: "Requests" }, { field: "errors", label: "Errors" }] },
  { title: "Latency", unit: "ms", min: 1, series: [{ field: "p50", label: "p50" }, { field: "p99", label: "p99" }] },
  // Errors again, on a scale that shows them.
  {
    title: "Failures", unit: "per second", min: 4,
    series: [{ field: "errors", label: "Errors" }, { field: "retries", label: "Retries" }, { field: "ejections", label: "Ejections", bars: true }],
  },
];

/** One cluster: its state, its charts, its destinations. */
export class Cluster {
  #samples = [];

  constructor(cluster) {
    const { name } = cluster;
    this.element = byId("cluster").content.firstElementChild.cloneNode(true);
    this.element.ariaLabel = `Cluster ${name}`;
    this.parts = partsOf(this.element);
    write(this.parts.name, name);
    this.reasons = Object.keys(cluster).filter(field => field.includes(".")).map(field => this.#addReason(...field.split(".")));
    this.charts = CHARTS.map(chart => new Chart(chart, name));
    this.element.querySelector(".charts").append(...this.charts.map(chart => chart.element));
    this.destinations = new Destinations(this.element, name);
  }

  /** Takes over the edge's history, which fills the gap after a lost connection. Older samples stay: a restarted edge does not have them. */
  recall(samples) {
    const first = new Date(samples[0]?.time) / 1000;
    this.#samples = this.#samples.filter(sample => !(sample.at >= first));
    samples.forEach(sample => this.#add(sample));
  }

  update(cluster) {
    const { healthy, total } = cluster;
    const kind = healthy === total && total > 0 ? "ok" : healthy > 0 ? "warn" : "bad";
    writeState(this.parts.health, kind, total > 0 ? `${count(healthy)} of ${count(total)} healthy` : "No destinations");
    this.parts.panic.hidden = !cluster.panic;
    write(this.parts.policy, cluster.policy ?? "–");
    for (const field of ["inFlight", "maxRequests"]) {
      write(this.parts[field], count(cluster[field]));
    }
    for (const [field, value] of this.reasons) {
      write(value, count(cluster[field]));
      value.classList.toggle("some", cluster[field] > 0);
    }
    this.destinations.update(cluster.destinations);
    this.#add(cluster.sample);
  }

  draw(now, paint) {
    this.charts.forEach(chart => chart.update(this.#samples, now, paint));
  }

  recolour() {
    this.charts.forEach(chart => chart.recolour());
  }

  remove() {
    this.charts.forEach(chart => chart.remove());
    this.destinations.remove();
  }

  /** The edge names a reason such as retries.connect_failure; its first part is a list of the document. */
  #addReason(list, reason) {
    const value = create("dd");
    this.parts[list].append(create("div", {}, create("dt", {}, reason.replaceAll("_", " ")), value));
    return [`${list}.${reason}`, value];
  }

  #add(sample) {
    const at = new Date(sample?.time) / 1000;
    const last = this.#samples.at(-1)?.at ?? -Infinity;
    if (!(at > last)) {
      return;
    }
    if (at - last > GAP) {
      this.#samples.push({ at: at - 1 });
    }
    this.#samples.push({ ...sample, at });
    this.#samples.splice(0, this.#samples.length - WINDOW);
  }
}

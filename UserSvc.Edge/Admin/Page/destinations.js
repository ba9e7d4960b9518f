import { create, Keyed, keepReachable, state, write, writeState } from "./dom.js";
import { count, figure } from "./format.js";

/** Each state's mark and label, from best to worst. */
export const HEALTH = {
  healthy: ["ok", "Healthy"],
  unknown: ["idle", "Unknown"],
  ejected: ["warn", "Ejected"],
  unhealthy: ["bad", "Unhealthy"],
  outOfService: ["out", "Out of service"],
};

/** Up to this many rows, no search is shown. */
const MANY = 10;
const SEVERITY = Object.keys(HEALTH);
const natural = new Intl.Collator("en", { numeric: true });

// field, heading, format, whether anything but 0 is bad, heading for narrow screens
const COLUMNS = [
  ["name", "Name"],
  ["health", "Health"],
  ["receives", "Traffic"],
  ["inFlight", "In flight", count],
  ["rate", "Requests/s", figure],
  ["p50", "p50 ms", figure],
  ["p99", "p99 ms", figure],
  ["errors", "Errors", count, true],
  ["timeouts", "Timeouts", count, true],
  ["connectFailures", "Connect failures", count, true, "Connect"],
  ["ejections", "Ejections", count, true],
];

/** A cluster's destinations, with a search, a filter for unhealthy ones, and sorting by any column. */
export class Destinations {
  #all = [];
  #field = "name";
  #descending = false;

  constructor(section, cluster) {
    this.tools = section.querySelector(".tools");
    this.search = this.tools.querySelector("[type=search]");
    this.unhealthy = this.tools.querySelector("[type=checkbox]");
    this.shown = this.tools.querySelector("output");
    this.scroll = section.querySelector(".scroll");
    this.body = section.querySelector("tbody");
    this.rows = new Keyed(this.body, () => new Row());
    section.querySelector("table").ariaLabel = `Destinations of ${cluster}`;
    this.headings = COLUMNS.map(([field, heading, format]) => {
      const button = create("button", { type: "button" }, heading);
      button.addEventListener("click", () => this.#sortBy(field));
      return create("th", { role: "columnheader", scope: "col", "data-field": field, ...(format && { class: "number" }) }, button);
    });
    section.querySelector("thead tr").append(...this.headings);
    this.#showOrder();
    this.search.addEventListener("input", () => this.#show());
    this.unhealthy.addEventListener("change", () => this.#show());
    this.watched = keepReachable(this.scroll);
    this.scroll.ariaLabel = `Destinations of ${cluster}, scrolling`;
  }

  update(destinations) {
    this.#all = destinations;
    this.#show();
  }

  remove() {
    this.watched.disconnect();
  }

  #show() {
    const many = this.#all.length > MANY;
    this.tools.classList.toggle("many", many);
    this.scroll.classList.toggle("many", many);
    const wanted = many ? this.search.value.trim().toLowerCase() : "";
    const onlyUnhealthy = many && this.unhealthy.checked;
    const chosen = this.#all.filter(d => (!onlyUnhealthy || d.health !== "healthy") && `${d.name} ${d.address}`.toLowerCase().includes(wanted));
    write(this.shown, chosen.length < this.#all.length ? `${count(chosen.length)} of ${count(this.#all.length)}` : "");
    this.rows.update(this.#sorted(chosen), d => d.name);
  }

  #sorted(destinations) {
    const field = this.#field;
    const byName = (a, b) => natural.compare(a.name, b.name);
    const rank = field === "health" ? d => SEVERITY.indexOf(d.health) : d => Number(d[field] ?? -1);
    const order = field === "name" ? byName : (a, b) => rank(a) - rank(b);
    const sign = this.#descending ? -1 : 1;
    return destinations.sort((a, b) => sign * order(a, b) || byName(a, b));
  }

  #sortBy(field) {
    // People look for the worst, so it comes first.
    this.#descending = field === this.#field ? !this.#descending : !["name", "receives"].includes(field);
    this.#field = field;
    this.#showOrder();
    this.#show();
  }

  #showOrder() {
    for (const heading of this.headings) {
      heading.ariaSort = heading.dataset.field !== this.#field ? null : this.#descending ? "descending" : "ascending";
    }
  }
}

class Row {
  constructor() {
    this.name = create("span", { class: "name" });
    this.address = create("span", { class: "address" });
    this.states = { health: state(), receives: state() };
    this.cells = {};
    this.element = create("tr", { role: "row" }, create("th", { role: "rowheader", scope: "row" }, this.name, this.address),
      ...COLUMNS.slice(1).map(([field, heading, format, , short]) => this.cells[field] = format
        ? create("td", { role: "cell", class: "number", "data-heading": short ?? heading })
        : create("td", { role: "cell", class: field }, this.states[field])));
  }

  update(destination) {
    write(this.name, destination.name);
    write(this.address, destination.address);
    writeState(this.states.health, ...HEALTH[destination.health]);
    writeState(this.states.receives, destination.receives ? "ok" : "off", destination.receives ? "Receiving" : "Not receiving");
    for (const [field, , format, bad] of COLUMNS) {
      if (format) {
        write(this.cells[field], format(destination[field]));
        this.cells[field].classList.toggle("some", Boolean(bad && destination[field]));
        this.cells[field].classList.toggle("none", !destination[field]);
      }
    }
  }
}

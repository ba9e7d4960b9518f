import { byId, create, Keyed, keepReachable, write } from "./dom.js";
import { clock, count, figure } from "./format.js";

/** Stands for the route of a request that was refused before routing. */
const NO_ROUTE = "(none)";

// select, what a line has of it
const FILTERS = [
  [byId("failures-route"), line => [line.route ?? NO_ROUTE]],
  [byId("failures-flag"), line => line.response_flags.split(",")],
];

const rows = new Keyed(byId("failures"), line => new Row(line));
let latest;

for (const [select] of FILTERS) {
  select.addEventListener("change", show);
}
keepReachable(byId("failures").closest(".scroll"));

/** The last failures, as /failures answers them. */
export function showFailures(answer) {
  latest = answer;
  for (const [select, read] of FILTERS) {
    offer(select, latest.failures.flatMap(read));
  }
  show();
}

function show() {
  const { failures, requests } = latest;
  const chosen = failures.filter(line => FILTERS.every(([select, read]) => !select.value || read(line).includes(select.value)));
  rows.update(chosen, line => `${line.start_time} ${line.request_id}`);
  write(byId("failures-shown"), chosen.length < failures.length ? `${count(chosen.length)} of ${count(failures.length)}` : "");
  byId("failures").parentElement.hidden = chosen.length === 0;
  write(byId("no-failures"), chosen.length ? ""
    : failures.length ? "None with this route and flag."
    : requests === "None" ? "The access log is off, so failures are not collected: Edge:AccessLog:Requests is None."
    : "None since the start.");
}

/** Offers each value once. The chosen one stays, even if its last line is gone. */
function offer(select, values) {
  const chosen = select.value;
  const offered = [...new Set([...values, chosen])].filter(Boolean).sort();
  if (offered.join() !== [...select.options].slice(1).map(option => option.value).join()) {
    select.replaceChildren(select.options[0], ...offered.map(value => create("option", { value }, value)));
    select.value = chosen;
  }
}

class Row {
  constructor(line) {
    const cell = (heading, kind, ...content) => create("td", { role: "cell", class: kind, "data-heading": heading }, ...content);
    this.element = create("tr", { role: "row" },
      create("th", { role: "rowheader", scope: "row" },
        create("span", { class: "name" }, `${line.method} ${line.path ?? ""}`),
        create("span", { class: "address" }, `${line.client_address ?? ""} ${line.request_id}`)),
      cell("Time", "time", clock(line.start_time)),
      cell("Route", "route", line.route ?? "–"),
      cell("Status", "number", line.response_code || "–"),
      cell("Flags", "flags", line.response_flags.replaceAll(",", ", ")),
      cell("Attempts", "attempts", ...(line.attempts?.map(({ destination, outcome, decision }) => create("p", {}, `${destination}: ${outcome}, ${decision}`)) ?? ["–"]),
        create("p", { class: "muted" }, line.failure_reason ?? "")),
      cell("ms", "number", figure(line.duration)),
      cell("Trace", "trace", traceOf(line)));
  }

  /** A line never changes. */
  update() {}
}

function traceOf({ trace_id: id }) {
  const link = id && latest.trace_url && { href: latest.trace_url.replaceAll("{trace_id}", id), target: "_blank", rel: "noopener" };
  return create(link ? "a" : "span", { class: "address", ...link }, id ?? "–");
}

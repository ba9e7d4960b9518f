import { say, sayChanges } from "./changes.js";
import { Cluster } from "./cluster.js";
import { byId, create, Keyed, partsOf, state, write, writeState } from "./dom.js";
import { showFailures } from "./failures.js";
import { clock, count, duration, figure, percent } from "./format.js";
import { healthButtons, showHealthButtons } from "./health.js";
import { follow } from "./stream.js";
import { themeButton } from "./theme.js";

const header = partsOf(document.querySelector("header"));
const downstream = partsOf(byId("downstream"));
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const clusters = new Keyed(byId("clusters"), cluster => new Cluster(cluster));
const sources = new Keyed(byId("discovery"), () => new Source());

let kept = [];
let latest;
let drawn = 0;
let connected = false;

themeButton(byId("theme"), () => [...clusters.views].forEach(cluster => cluster.recolour()));
healthButtons();
follow("events", {
  history({ fields, clusters: rows }) {
    kept = Object.entries(rows).map(([name, samples]) => [name, samples.map(row => Object.fromEntries(fields.map((field, i) => [field, row[i]])))]);
  },
  failures: showFailures,
  stats(stats) {
    // The edge was updated: load its page.
    if (latest && latest.instance.version !== stats.instance.version) {
      location.reload();
      return;
    }
    if (!connected && latest) {
      say(stats.time, "Connected again", "ok");
    }
    connected = true;
    sayChanges(latest, stats);
    latest = stats;
    show();
  },
  lost() {
    connected = false;
    document.body.classList.add("lost");
    write(byId("lost"), latest ? `Connection lost. Figures are from ${clock(latest.time)}. Reconnecting…` : "No connection to the edge. Trying again…");
    showTitle();
  },
});

function show() {
  const { instance, clusters: now, discovery, time } = latest;
  document.body.classList.remove("lost");
  write(byId("lost"), "");
  showInstance(instance);
  showDownstream(latest.downstream, now);
  clusters.update(now, cluster => cluster.name);
  for (const [name, samples] of kept) {
    clusters.get(name)?.recall(samples);
    drawn = 0;
  }
  kept = [];
  sources.update(discovery, source => source.source);
  byId("no-discovery").hidden = discovery.length > 0;
  byId("discovery").parentElement.hidden = discovery.length === 0;
  draw(Date.parse(time) / 1000);
  showTitle();
}

function showInstance(instance) {
  write(header.name, instance.name);
  write(header.version, `Version ${instance.version}`);
  write(header.uptime, `up ${duration(instance.uptime)}`);
  writeState(byId("state"), { LIVE: "ok", DRAINING: "warn" }[instance.state] ?? "idle", instance.state);
  byId("ready").hidden = false;
  writeState(byId("ready"), instance.ready ? "ok" : "bad", instance.ready ? "Ready" : `Not ready: ${instance.reason}`);
  showHealthButtons(instance.healthCheckFailed);
}

function showDownstream(figures, now) {
  const sum = field => now.reduce((total, cluster) => total + (cluster.sample?.[field] ?? 0), 0);
  const [requests, errors] = [sum("requests"), sum("errors")];
  write(downstream.rate, figure(requests));
  write(downstream.errors, figure(errors));
  write(downstream.share, errors ? percent(errors / Math.max(requests, errors)) : "");
  for (const field of ["active", "connections", "requests", "4xx", "5xx"]) {
    write(downstream[field], count(figures[field]));
  }
}

// With reduced motion, the charts move only every five seconds.
function draw(now) {
  const paint = !document.hidden && !(calm.matches && now - drawn < 5);
  drawn = paint ? now : drawn;
  for (const cluster of clusters.views) {
    cluster.draw(now, paint);
  }
}

function showTitle() {
  const { name } = latest?.instance ?? { name: "Edge" };
  const unhealthy = latest?.clusters.find(cluster => cluster.healthy < cluster.total);
  const trouble = !connected ? "connection lost"
    : !latest.instance.ready ? "not ready"
    : unhealthy ? `${unhealthy.name} ${unhealthy.healthy} of ${unhealthy.total} healthy` : "";
  document.title = trouble ? `⚠ ${name}: ${trouble}` : name;
}

class Source {
  constructor() {
    this.state = state();
    this.name = create("th", { role: "rowheader", scope: "row" });
    this.age = create("td", { role: "cell", class: "number", "data-heading": "Last answer" });
    this.endpoints = create("td", { role: "cell", class: "number", "data-heading": "Endpoints" });
    this.element = create("tr", { role: "row" }, this.name, create("td", { role: "cell" }, this.state), this.age, this.endpoints);
  }

  update({ source, age, endpoints, failing }) {
    write(this.name, source);
    writeState(this.state, failing ? "bad" : "ok", failing ? "Failing" : "Answering");
    write(this.age, endpoints == null ? "Never" : `${duration(age)} ago`);
    write(this.endpoints, endpoints == null ? "–" : count(endpoints));
  }
}

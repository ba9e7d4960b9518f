import { HEALTH } from "./destinations.js";
import { byId, create, write } from "./dom.js";
import { clock, plural } from "./format.js";

const KEPT = 20;
/** Changes of more destinations than this share one line. */
const SINGLE = 3;

const list = byId("changes");

/** Adds a line to the list of changes, which screen readers announce. */
export function say(at, text, kind = "idle") {
  list.prepend(create("p", { class: kind }, create("time", {}, clock(at)), ` ${text}`));
  while (list.children.length > KEPT) {
    list.lastElementChild.remove();
  }
}

/** Announces the differences between two events. */
export function sayChanges(before, now) {
  const { time } = now;
  if (!before) {
    write(byId("since"), `Since ${clock(time)}, when this page was opened`);
    return;
  }
  if (before.instance.state !== now.instance.state) {
    say(time, `The proxy is ${now.instance.state}`, now.instance.state === "LIVE" ? "ok" : "warn");
  }
  if (before.instance.ready !== now.instance.ready) {
    say(time, now.instance.ready ? "The proxy is ready" : `The proxy is not ready: ${now.instance.reason}`, now.instance.ready ? "ok" : "bad");
  }
  const [past, present] = [before, now].map(stats => new Map(stats.clusters.map(c => [c.name, c])));
  past.forEach((_, name) => present.has(name) || say(time, `Cluster ${name} is gone`));
  present.forEach((cluster, name) => past.has(name) ? sayCluster(time, past.get(name), cluster) : say(time, `Cluster ${name} is new`));
}

function sayCluster(time, before, now) {
  const past = new Map(before.destinations.map(d => [d.name, d.health]));
  const present = new Set(now.destinations.map(d => d.name));
  const changes = Map.groupBy(
    [
      ...[...past.keys()].filter(name => !present.has(name)).map(name => ({ name, to: "gone" })),
      ...now.destinations.filter(d => past.get(d.name) !== d.health).map(d => ({ name: d.name, to: past.has(d.name) ? d.health : "new" })),
    ],
    change => change.to);
  for (const [to, changed] of changes) {
    const [kind, text] = HEALTH[to] ?? ["idle", to];
    const who = changed.length > SINGLE ? [plural(changed.length, "destination")] : changed.map(c => c.name);
    who.forEach(name => say(time, `${now.name}: ${name} ${text.toLowerCase()}`, kind));
  }
  if (before.panic !== now.panic) {
    say(time, `${now.name}: panic ${now.panic ? "began" : "ended"}`, now.panic ? "bad" : "ok");
  }
}

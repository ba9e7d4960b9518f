/** Milliseconds without an event before the connection counts as lost: a live edge sends twice a second. */
const STALL = 5_000;
const [SHORTEST, LONGEST] = [1_000, 10_000];

/** Follows the edge's events and reconnects after any loss. EventSource's own reconnection gives up after an answer such as 503. */
export function follow(path, { lost, ...events }) {
  let source, retry, last, wait = SHORTEST;

  function open() {
    last = performance.now();
    source = new EventSource(path);
    for (const [name, handle] of Object.entries(events)) {
      source.addEventListener(name, event => {
        last = performance.now();
        wait = SHORTEST;
        handle(JSON.parse(event.data));
      });
    }
    source.addEventListener("error", close);
  }

  function close() {
    source.close();
    clearTimeout(retry);
    retry = setTimeout(open, wait);
    wait = Math.min(2 * wait, LONGEST);
    lost();
  }

  setInterval(() => source.readyState !== EventSource.CLOSED && performance.now() - last > STALL && close(), 1_000);
  open();
}

/** Longer than any pause of a living edge, which sends twice a second: a connection may be lost without a word. */
const STALL = 5_000;
const [SHORTEST, LONGEST] = [1_000, 10_000];

/** The edge's events, through any loss. EventSource's own return is not enough: it gives up for good on an answer like 503. */
export function follow(path, { history, stats, lost }) {
  let source, retry, last, wait = SHORTEST;

  function open() {
    last = performance.now();
    source = new EventSource(path);
    source.addEventListener("history", event => {
      last = performance.now();
      wait = SHORTEST;
      history(JSON.parse(event.data));
    });
    source.addEventListener("stats", event => {
      last = performance.now();
      stats(JSON.parse(event.data));
    });
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

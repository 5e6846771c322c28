// Follows a stream of events while its page is in sight.
//
// Browsers have six connections to a host (HTTP/1.1), and a stream keeps one. So a page that is
// hidden gives its own up, and windows that are in sight together have a few streams between them,
// by locks that a page holds until it is hidden or gone. Without a lock a page connects for one
// event, again and again. Each connection brings everything that is not on the page.
const STREAMS = 4;
const TURN_MS = 2000;

// Takes one of the streams: how to give it back, or null if other windows have them all.
async function take() {
  if (!navigator.locks) return () => {}; // plain HTTP from another machine: no page knows of others
  for (let place = 0; place < STREAMS; place += 1) {
    const release = await new Promise((resolve) => {
      navigator.locks.request(`agi-bridge-stream-${place}`, { ifAvailable: true }, (lock) => {
        if (lock) return new Promise((free) => resolve(free));
        resolve(null);
      });
    });
    if (release) return release;
  }
  return null;
}

// Calls `message` with each event, and `lost` with whether the connection is; returns how to begin
// again, with what `address` then returns.
export function follow(address, message, lost = () => {}) {
  let round = 0;
  let wait = 0;
  let source = null;
  let release = null;
  const leave = () => {
    round += 1;
    clearTimeout(wait);
    source?.close();
    release?.();
    source = null;
    release = null;
  };
  const connect = async () => {
    const own = round;
    const taken = await take();
    if (own !== round) { // hidden meanwhile
      taken?.();
      return;
    }
    release = taken;
    source = new EventSource(address());
    const turn = () => {
      if (taken) return;
      leave();
      wait = setTimeout(connect, TURN_MS);
    };
    source.onopen = () => lost(false);
    source.onmessage = ({ data }) => {
      message(JSON.parse(data));
      if (own === round) turn();
    };
    source.onerror = () => {
      lost(true);
      turn();
    };
  };
  const change = () => {
    leave();
    lost(false);
    if (!document.hidden) connect();
  };
  document.addEventListener("visibilitychange", change);
  change();
  return change;
}

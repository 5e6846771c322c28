import { follow } from "/following.js";

// A call as the bridge tells it: each event has the whole call, and what is new is shown. That is
// the newest call, and once this page has called, its own, which it knows by the SIP Call-ID.
const element = (id) => document.getElementById(id);
const EVENTS_TO_SEE = new Set(["stored", "hook", "dial", "dialled"]);

let shownCall = null;

function seconds(milliseconds) {
  return (milliseconds / 1000).toFixed(1);
}

function cells(row, texts) {
  texts.forEach((text, index) => {
    const cell = row.cells[index] ?? row.insertCell();
    if (cell.textContent !== text) cell.textContent = text;
  });
}

function show(call) {
  element("no-call").hidden = call !== null;
  element("the-call").hidden = call === null;
  if (call === null) return;
  const timeline = element("timeline");
  if (call.id !== shownCall) timeline.replaceChildren();
  shownCall = call.id;
  element("call-id").textContent = `${call.id}, ${call.ended ? "ended" : "in progress"}`;
  const { consent } = call;
  element("consent").textContent = consent?.id ?? "none yet";
  element("record").textContent = consent?.states.join(" > ") ?? "nothing yet";
  call.timeline.forEach(({ milliseconds, event, text }, index) => {
    const row = timeline.rows[index] ?? timeline.insertRow();
    row.dataset.event = event;
    row.classList.toggle("to-see", EVENTS_TO_SEE.has(event));
    cells(row, [seconds(milliseconds), text]);
  });
  while (timeline.rows.length > call.timeline.length) timeline.deleteRow(-1);
  element("sentence").textContent = call.sentence ?? "";
}

let own = "";
const again = follow(() => `/events?call=${encodeURIComponent(own)}`, show);

export function followCall(callId) {
  own = callId;
  again();
}

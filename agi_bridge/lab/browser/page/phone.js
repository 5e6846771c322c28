// The telephone: places one call at a time over SIP and WebRTC, and sends keys as RFC 4733 events.
import { followCall } from "/call.js";
import { loopbackDescriptions } from "/loopback.js";
import { Inviter, SessionState, UserAgent } from "/sip.js/lib/index.js";

const TONE_MS = 100;
const GAP_MS = 70;

const element = (id) => document.getElementById(id);
const destination = element("destination");
const callButton = element("call");
const hangUpButton = element("hang-up");
const keys = [...document.querySelectorAll("[data-key]")];

let agent;
let host;
let session = null;
let hasMicrophone = true;

function say(text) {
  element("status").textContent = text;
}

function show({ calling, connected }) {
  destination.disabled = calling;
  callButton.disabled = calling;
  hangUpButton.disabled = !calling;
  for (const key of keys) key.disabled = !connected;
}

// Without a microphone the caller still hears, and keys; the PBX gets silence.
async function microphone() {
  try {
    hasMicrophone = true;
    return await navigator.mediaDevices.getUserMedia({ audio: true });
  } catch {
    hasMicrophone = false;
    return new AudioContext().createMediaStreamDestination().stream;
  }
}

async function call() {
  const number = destination.value;
  show({ calling: true, connected: false });
  element("keyed").textContent = "nothing yet";
  say(`Calling ${number} …`);
  let outcome = "The call was not connected.";
  const target = UserAgent.makeURI(`sip:${encodeURIComponent(number)}@${host}`);
  const placed = new Inviter(agent, target);
  session = placed;
  placed.stateChange.addListener((state) => {
    if (state === SessionState.Established) {
      outcome = "The call has ended.";
      connect(placed);
    }
    if (state === SessionState.Terminated) finish(outcome);
  });
  const onReject = ({ message }) => {
    outcome = `The call was not connected: ${message.statusCode} ${message.reasonPhrase}.`;
  };
  try {
    followCall(placed.request.callId);
    await placed.invite({ requestDelegate: { onReject } });
    hangUpButton.focus();
  } catch (error) {
    finish(`The call failed: ${error.message}`);
  }
}

function connect(placed) {
  element("sound").srcObject = placed.sessionDescriptionHandler.remoteMediaStream;
  show({ calling: true, connected: true });
  say(hasMicrophone ? "Connected." : "Connected. There is no microphone: you are not heard.");
}

function finish(outcome) {
  session = null;
  element("sound").srcObject = null;
  show({ calling: false, connected: false });
  callButton.focus();
  say(outcome);
}

async function hangUp() {
  if (session === null) return;
  if (session.state === SessionState.Established) await session.bye();
  else await session.cancel();
}

function press(key) {
  const connection = session?.sessionDescriptionHandler?.peerConnection;
  const sender = connection?.getSenders().find(({ dtmf }) => dtmf !== null)?.dtmf;
  if (!sender?.canInsertDTMF) return;
  sender.insertDTMF(sender.toneBuffer + key, TONE_MS, GAP_MS); // replaces what is still to be sent
  const keyed = element("keyed");
  keyed.textContent = (keyed.textContent.startsWith("nothing") ? "" : keyed.textContent) + key;
}

function onKey(event) {
  const pressed = keys.find(({ dataset }) => dataset.key === event.key);
  if (pressed === undefined || pressed.disabled || !element("keyboard").checked) return;
  if (event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
  press(event.key);
  event.preventDefault();
}

function cell(text, className) {
  const made = document.createElement("td");
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

async function start() {
  const settings = await (await fetch("/phone.json")).json();
  host = settings.host;
  for (const { number, text } of settings.destinations) {
    destination.append(new Option(`${number}  ${text}`, number));
  }
  for (const { digits, text } of settings.answers) {
    const row = document.createElement("tr");
    row.append(cell(digits, "number"), cell(text));
    element("answers").append(row);
  }
  agent = new UserAgent({
    uri: UserAgent.makeURI(`sip:${settings.user}@${host}`),
    authorizationUsername: settings.user,
    authorizationPassword: settings.password,
    transportOptions: { server: settings.websocket },
    sessionDescriptionHandlerFactory: loopbackDescriptions(microphone, host),
    logLevel: "warn",
  });
  await agent.start();
  callButton.addEventListener("click", call);
  hangUpButton.addEventListener("click", hangUp);
  for (const key of keys) key.addEventListener("click", () => press(key.dataset.key));
  document.addEventListener("keydown", onKey);
  show({ calling: false, connected: false });
  say("Ready.");
}

start().catch((error) => say(`The telephone does not reach the PBX: ${error.message}`));

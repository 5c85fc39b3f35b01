// The chat page: puts the composer, the transcript and the reader of the running answer together.

import { fail, isOver, newAnswer, randomId } from "./answer.js";
import { copyText } from "./clipboard.js";
import { ExchangeView } from "./exchange.js";
import { GraphPanel } from "./graph.js";
import { RunReader } from "./reader.js";
import { RunLog } from "./runlog.js";
import { Follower } from "./scroll.js";
import { ChatSocket } from "./socket.js";
import {
  loadMode,
  loadThread,
  loadTranscript,
  loadTransport,
  saveMode,
  saveRunning,
  saveThread,
  saveTranscript,
  saveTransport,
} from "./storage.js";

const FRAME = 50;
const SAVE_EVERY = 500;

const byId = (id) => document.getElementById(id);
const page = {
  log: byId("log"),
  transcript: byId("transcript"),
  welcome: byId("welcome"),
  status: byId("status"),
  form: byId("composer"),
  question: byId("question"),
  send: byId("send"),
  stop: byId("stop"),
  cut: byId("cut"),
  fresh: byId("new-chat"),
  graph: byId("graph"),
  modes: byId("modes"),
  transports: byId("transports"),
};

const socket = new ChatSocket();
const runLog = new RunLog(byId("run-log"));
const graph = new GraphPanel(byId("drawing"));
const follower = new Follower(page.log, byId("jump"));
const views = new Map();
let exchanges = loadTranscript();
let transport = loadTransport();
let mode = loadMode();
/** What the server has: `chat`, `agent`, or both. */
let served = { chat: true, agent: true };
let model = null;
let running = null;

socket.onComplaint = (text) => runLog.note(`the server says: ${text}`);

function addView(exchange) {
  const view = new ExchangeView(exchange, { ask: answerAgain, resume: readOn });
  views.set(exchange.id, view);
  page.transcript.append(view.root);
  return view;
}

function ask(question) {
  if (running || question.trim() === "") return;
  const thread = mode === "agent" ? conversation() : null;
  const exchange = { id: randomId(), question, answers: [answerOf(thread)], shown: 0 };
  exchanges.push(exchange);
  addView(exchange);
  run(exchange);
}

function answerAgain(exchange) {
  if (running) return;
  exchange.answers.push(answerOf(exchange.answers[0].thread ?? null));
  exchange.shown = exchange.answers.length - 1;
  run(exchange);
}

// The agent speaks over event streams alone.
function answerOf(thread) {
  return newAnswer({ transport: thread === null ? transport : "sse", thread });
}

/** The agent's conversation: it begins with the first question to the agent, and ends with the transcript. */
function conversation() {
  const thread = loadThread() ?? randomId();
  saveThread(thread);
  return thread;
}

// The connection failed for good a while ago; the run itself may be fine.
function readOn(exchange) {
  if (running) return;
  const answer = exchange.answers[exchange.shown];
  answer.error = null;
  answer.status = "reconnecting";
  run(exchange);
}

async function run(exchange) {
  const answer = exchange.answers[exchange.shown];
  answer.model ??= model;
  const view = views.get(exchange.id);
  const painter = new Painter(() => {
    if (!views.has(exchange.id)) return;
    view.update();
    runLog.show(answer);
    if (answer.thread != null) graph.show(answer);
    follower.grown();
    sayStatus(answer);
  });
  const save = () => isOver(answer) || saveRunning(exchange, answer);
  const saver = new Painter(save, SAVE_EVERY);
  const reader = new RunReader({
    answer,
    question: exchange.question,
    socket,
    note: (text) => runLog.note(text),
    changed: () => {
      painter.later();
      saver.later();
    },
  });
  const current = { exchange, answer, reader, save };
  running = current;
  if (answer.run === null && !answer.sent) runLog.note(`asked ${answer.thread == null ? "" : "the agent "}over ${answer.transport === "ws" ? "WebSocket" : "SSE"}`);
  saveTranscript(exchanges);
  showRunning();
  painter.now();
  follower.toLatest();
  const ticker = setInterval(() => running === current && runLog.show(answer), 250);
  await reader.follow();
  clearInterval(ticker);
  saver.cancel();
  if (running !== current) return;
  running = null;
  painter.now();
  saveTranscript(exchanges);
  showRunning();
}

/** Does something soon, at most once per `interval`; the first time at once, so that a first token is never held back. */
class Painter {
  #paint;
  #interval;
  #timer = null;
  #lastAt = 0;

  constructor(paint, interval = FRAME) {
    this.#paint = paint;
    this.#interval = interval;
  }

  later() {
    this.#timer ??= setTimeout(() => this.now(), Math.max(0, this.#lastAt + this.#interval - Date.now()));
  }

  now() {
    this.cancel();
    this.#paint();
    this.#lastAt = Date.now();
  }

  cancel() {
    clearTimeout(this.#timer);
    this.#timer = null;
  }
}

function sayStatus(answer) {
  const texts = {
    waiting: "Generating",
    streaming: "Generating",
    reconnecting: "Reconnecting…",
    complete: "Answer complete",
    stopped: "Answer stopped",
    failed: "Answer failed",
  };
  const text = texts[answer.status];
  if (page.status.textContent !== text) page.status.textContent = text;
}

function showRunning() {
  const active = running !== null;
  const hadFocus = document.activeElement === page.stop || document.activeElement === page.send;
  document.body.classList.toggle("running", active);
  page.log.setAttribute("aria-busy", String(active));
  page.stop.hidden = !active;
  page.send.hidden = active;
  page.cut.disabled = !active;
  page.welcome.hidden = exchanges.length > 0;
  page.fresh.hidden = exchanges.length === 0;
  page.send.disabled = page.question.value.trim() === "";
  if (hadFocus) page.question.focus();
}

function submit() {
  if (running) return;
  const question = page.question.value;
  if (question.trim() === "") return;
  page.question.value = "";
  fitComposer();
  ask(question);
}

function stop() {
  running?.reader.stop();
  page.question.focus();
}

function fitComposer() {
  page.send.disabled = page.question.value.trim() === "";
  if (CSS.supports("field-sizing", "content")) return;
  page.question.style.height = "auto";
  page.question.style.height = `${page.question.scrollHeight}px`;
}

function startOver() {
  const left = running;
  running = null;
  left?.reader.abandon();
  socket.drop();
  exchanges = [];
  views.clear();
  page.transcript.replaceChildren();
  saveThread(null);
  graph.show(null);
  runLog.clear();
  page.status.textContent = "";
  saveTranscript(exchanges);
  showRunning();
  page.question.focus();
}

function showMode() {
  page.modes.hidden = !(served.chat && served.agent);
  page.transports.hidden = mode === "agent";
  page.graph.hidden = mode !== "agent" || !graph.isThere;
  document.body.dataset.mode = mode;
  page.question.placeholder = mode === "agent" ? "Ask the agent" : "Ask anything";
  for (const text of page.welcome.querySelectorAll("[data-mode]")) text.hidden = text.dataset.mode !== mode;
  for (const choice of page.modes.querySelectorAll("input")) choice.checked = choice.value === mode;
}

function listen() {
  page.form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  page.question.addEventListener("input", fitComposer);
  page.question.addEventListener("keydown", (event) => {
    // While an input method composes a character, Enter chooses it; keyCode 229 is how older engines say so.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    submit();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.isComposing && running) stop();
  });
  page.stop.addEventListener("click", stop);
  page.cut.addEventListener("click", () => running?.reader.cut());
  page.fresh.addEventListener("click", startOver);
  page.transcript.addEventListener("click", (event) => {
    const button = event.target.closest(".copy-code");
    if (button) copyText(button.closest(".code-block").querySelector("code").textContent, button);
  });
  page.welcome.addEventListener("click", (event) => {
    const chip = event.target.closest("button");
    if (!chip) return;
    ask(chip.textContent);
    // A keyboard that jumps up would cover the answer on a phone.
    if (matchMedia("(pointer: fine)").matches) page.question.focus();
  });
  for (const choice of document.querySelectorAll('input[name="transport"]')) {
    choice.checked = choice.value === transport;
    choice.addEventListener("change", () => {
      transport = choice.value;
      saveTransport(transport);
      running?.reader.switchTo(transport);
    });
  }

  for (const choice of page.modes.querySelectorAll("input")) {
    choice.addEventListener("change", () => {
      mode = choice.value;
      saveMode(mode);
      showMode();
    });
  }

  addEventListener("online", () => running?.reader.wake({ networkChanged: true }));
  addEventListener("pageshow", () => running?.reader.wake());
  addEventListener("pagehide", () => running?.save());
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") running?.reader.wake();
    else running?.save();
  });
  // A phone's keyboard shrinks only the visual viewport in some browsers.
  visualViewport?.addEventListener("resize", () => {
    document.documentElement.style.setProperty("--visible-height", `${visualViewport.height}px`);
  });
}

async function showModel() {
  const name = byId("model-name");
  const label = byId("model-label");
  try {
    const info = await (await fetch("info", { cache: "no-store" })).json();
    model = info.model.name;
    name.textContent = model;
    name.title = info.model.base_url ?? "";
    label.hidden = info.model.kind !== "demo";
    document.body.dataset.model = info.model.kind;
    served = info;
    if (!served[mode]) mode = served.agent ? "agent" : "chat";
    if (served.agent) await graph.load();
    showMode();
  } catch {
    name.textContent = "server not reached";
  }
}

function pickUp(exchange) {
  const answer = exchange.answers[exchange.shown];
  if (answer.run === null && !answer.sent) {
    fail(answer, "The page was left before the server had begun to answer.");
    views.get(exchange.id).update();
    return;
  }
  answer.status = "reconnecting";
  runLog.note(`page loaded again, reading after ${answer.cursor}`);
  run(exchange);
}

async function begin() {
  listen();
  exchanges.forEach(addView);
  showRunning();
  showMode();
  // At most one run was being read when the page was left.
  const unfinished = exchanges.find(({ answers, shown }) => !isOver(answers[shown]));
  const asked = showModel();
  if (unfinished) pickUp(unfinished);
  else if (exchanges.length > 0) runLog.show(exchanges.at(-1).answers.at(-1));
  const answers = exchanges.map((exchange) => exchange.answers[exchange.shown]);
  graph.show(answers.findLast(({ thread }) => thread != null) ?? null);
  follower.toLatest();
  if (matchMedia("(pointer: fine)").matches) page.question.focus();
  await asked;
}

begin();

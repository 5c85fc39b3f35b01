// What survives a reload: the transcript, the answer that is being written and the agent's conversation, per tab.

const TRANSCRIPT = "millstream.transcript";
const RUNNING = "millstream.running";
const THREAD = "millstream.thread";
const TRANSPORT = "millstream.transport";
const MODE = "millstream.mode";

/** The transcript as it was last seen: a list of `{ id, question, answers, shown }`. */
export function loadTranscript() {
  const exchanges = read(sessionStorage, TRANSCRIPT) ?? [];
  const running = read(sessionStorage, RUNNING);
  if (running) {
    const exchange = exchanges.find(({ id }) => id === running.exchange);
    const index = exchange?.answers.findIndex(({ id }) => id === running.answer.id) ?? -1;
    if (index >= 0) exchange.answers[index] = running.answer;
  }
  return exchanges;
}

/** Saves everything. When the browser's space is used up, the oldest questions are not saved. */
export function saveTranscript(exchanges) {
  for (let first = 0; first <= exchanges.length; first += 1) {
    if (write(sessionStorage, TRANSCRIPT, exchanges.slice(first))) break;
  }
  sessionStorage.removeItem(RUNNING);
}

/** Saves only the running answer: its text and its cursor in one piece, so that the two always belong together. */
export function saveRunning(exchange, answer) {
  write(sessionStorage, RUNNING, { exchange: exchange.id, answer });
}

/** The transport chosen last, `sse` or `ws`. */
export function loadTransport() {
  return read(localStorage, TRANSPORT) === "ws" ? "ws" : "sse";
}

export function saveTransport(transport) {
  write(localStorage, TRANSPORT, transport);
}

/** The mode chosen last, `chat` or `agent`. */
export function loadMode() {
  return read(localStorage, MODE) === "agent" ? "agent" : "chat";
}

export function saveMode(mode) {
  write(localStorage, MODE, mode);
}

/** The agent's conversation that this tab is in, if it has begun. */
export function loadThread() {
  return read(sessionStorage, THREAD);
}

export function saveThread(thread) {
  write(sessionStorage, THREAD, thread);
}

function read(storage, key) {
  try {
    return JSON.parse(storage.getItem(key));
  } catch {
    return null;
  }
}

function write(storage, key, value) {
  try {
    storage.setItem(key, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}

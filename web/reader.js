// Follows one run to its end over whatever connections that takes.

import { applyEvent, fail, isOver } from "./answer.js";
import { ConnectionLost, Refusal, goneSentence } from "./outcome.js";
import { readOverEvents } from "./sse.js";

const SILENCE_LIMIT = 35_000;
const ATTEMPTS = 8;
const LONGEST_PAUSE = 10_000;
const STOP_LIMIT = 3_000;

/**
 * Reads the run of one answer: connects, folds events into the answer, reconnects after the last event seen, and
 * ends when the run does, when the server refuses, or when it cannot be reached for a while.
 */
export class RunReader {
  #answer;
  #question;
  #socket;
  #changed;
  #note;
  #connection = null;
  #endPause = null;
  #heardAt = Date.now();
  #retry = 1000;
  #sent = false;
  #hurry = false;
  #askAgain = false;
  #watchdog = null;
  #stopLimit = null;
  #stopSent = false;

  /** `changed()` is called after every change of the answer, `note(text)` for each line of the run log. */
  constructor({ answer, question, socket, changed, note }) {
    this.#answer = answer;
    this.#question = question;
    this.#socket = socket;
    this.#changed = changed;
    this.#note = note;
  }

  /** Asks, or reads on if the answer already has a run. Resolves when the answer is over; never rejects. */
  async follow() {
    const answer = this.#answer;
    // After a reload a WebSocket question may already be with the server, which then knows it by its id.
    this.#sent = answer.sent === true;
    this.#watchdog = setInterval(() => this.#watch(), 5_000);
    let failures = 0;
    try {
      while (!isOver(answer)) {
        const before = answer.cursor;
        const lost = await this.#connectOnce();
        if (lost === null || isOver(answer)) break;
        failures = answer.cursor === before ? failures + 1 : 1;
        if (!this.#mayContinue(lost, failures)) break;
        if (this.#hurry) failures = 0;
        await this.#pause(failures);
      }
    } finally {
      clearInterval(this.#watchdog);
      clearTimeout(this.#stopLimit);
      this.#connection?.abort();
      this.#changed();
    }
  }

  /** Tells the server to end the run. What has arrived stays; the run's own last event ends the answer. */
  stop() {
    const answer = this.#answer;
    if (isOver(answer) || answer.stopAsked) return;
    answer.stopAsked = true;
    this.#note("stop asked");
    this.#sendStop();
    this.#stopLimit = setTimeout(() => this.#endStopped("the server did not confirm the stop"), STOP_LIMIT);
    this.#changed();
  }

  /** Stops the run and ends the answer without waiting for the server to confirm. */
  abandon() {
    this.stop();
    this.#endStopped("abandoned");
  }

  /** Drops the connection as a network failure would; the run is then read on from its last event. */
  cut() {
    this.#note(`connection cut by you at ${this.#answer.cursor}`);
    this.#drop();
  }

  /** Goes on over another transport, at the same place. */
  switchTo(transport) {
    const answer = this.#answer;
    // Before the run is known it cannot be found again; the choice then holds from the next question on.
    if (answer.thread != null || answer.transport === transport || answer.run === null || isOver(answer)) return;
    this.#note(`switching to ${transport === "ws" ? "WebSocket" : "SSE"} after ${answer.cursor}`);
    this.#hurry = true;
    this.#drop();
    answer.transport = transport;
    this.#endPause?.();
  }

  /** Something happened that may have killed or healed the connection: look now rather than later. */
  wake({ networkChanged = false } = {}) {
    this.#endPause?.();
    if (networkChanged && this.#answer.run) {
      this.#hurry = true;
      this.#drop();
    } else {
      this.#watch();
    }
  }

  // Returns why the connection was lost, or null when the answer is over.
  async #connectOnce() {
    const answer = this.#answer;
    const connection = new AbortController();
    this.#connection = connection;
    this.#hurry = this.#askAgain = false;
    this.#heardAt = Date.now();
    try {
      for await (const event of this.#open(connection.signal)) {
        if (isOver(answer)) return null;
        if (applyEvent(answer, event)) this.#changed();
        if (isOver(answer)) {
          this.#noteEnd();
          return null;
        }
      }
      return "the stream ended early";
    } catch (error) {
      if (isOver(answer)) return null;
      if (error instanceof Refusal) return this.#refused(error);
      if (error instanceof ConnectionLost) return error.message;
      fail(answer, "The page could not read the server's answer.", { code: error.name });
      this.#note(`error in the page: ${error.message}`);
      return null;
    }
  }

  #open(signal) {
    const answer = this.#answer;
    const resuming = answer.run !== null || this.#sent;
    const overSocket = answer.transport === "ws";
    // A WebSocket counts whole events; in the middle of one only the whole answer again is exact.
    if (overSocket && answer.cursor.includes(".")) {
      answer.cursor = "0";
      answer.parts = [];
    }
    const { id, run, cursor } = answer;
    const request = { id, run, cursor, question: this.#question, thread: answer.thread ?? null, sent: this.#sent };
    const seen = {
      anything: () => (this.#heardAt = Date.now()),
      retry: (milliseconds) => (this.#retry = milliseconds),
      run: (run) => this.#knowRun(run),
      opened: () => {
        if (overSocket) answer.sent = this.#sent = true;
        if (resuming) {
          answer.reconnects += 1;
          this.#note(`connected again, reading after ${answer.cursor}`);
        }
        if (answer.status === "reconnecting") answer.status = answer.firstAt === null ? "waiting" : "streaming";
        this.#changed();
      },
    };
    return overSocket ? this.#socket.read(request, signal, seen) : readOverEvents(request, signal, seen);
  }

  #knowRun(run) {
    const answer = this.#answer;
    if (answer.run !== null || !run) return;
    answer.run = run;
    this.#note(`run ${run}`);
    if (answer.stopAsked) this.#sendStop();
    this.#changed();
  }

  #mayContinue(lost, failures) {
    const answer = this.#answer;
    this.#note(`${lost} (at ${answer.cursor})`);
    if (answer.run === null && !this.#sent && !this.#askAgain) {
      // Asking again could start a second run, so that is left to the reader of the page.
      fail(answer, `No answer: ${lost}.`, { code: "connection" });
      return false;
    }
    if (failures >= ATTEMPTS) {
      fail(answer, "The connection was lost and the server cannot be reached. The text so far was kept.", {
        code: "connection",
        resumable: true,
      });
      return false;
    }
    answer.status = "reconnecting";
    this.#changed();
    return true;
  }

  #pause(failures) {
    const growth = 1.6 ** Math.max(0, failures - 1);
    const jitter = 0.85 + Math.random() * 0.3;
    const milliseconds = this.#hurry ? 0 : Math.min(this.#retry * growth * jitter, LONGEST_PAUSE);
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#endPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async #refused(refusal) {
    const answer = this.#answer;
    const resuming = answer.run !== null || this.#sent;
    this.#note(`refused: ${refusal.code}`);
    if (!resuming) {
      const wait = refusal.retryAfter ? ` Try again in ${refusal.retryAfter} s.` : "";
      fail(answer, refusal.message + wait, { code: refusal.code });
      return null;
    }
    if (refusal.code === "over") return this.#settle();
    if (refusal.status === 429 || refusal.status >= 500) return `the server answered with status ${refusal.status}`;
    if (answer.run === null && goneSentence(refusal)) {
      // The question never reached the server, so asking it now asks it once.
      this.#sent = answer.sent = false;
      this.#askAgain = this.#hurry = true;
      return "the question had not arrived";
    }
    fail(answer, goneSentence(refusal) ?? refusal.message, { code: refusal.code });
    return null;
  }

  // The run is over and we hold all of it except its ending: ask how it ended.
  async #settle() {
    const answer = this.#answer;
    let status = null;
    try {
      const response = await fetch(`runs/${encodeURIComponent(answer.run)}`, { cache: "no-store" });
      status = (await response.json()).status;
    } catch {
      // Without a reply the answer counts as cut short, which is the cautious reading.
    }
    if (status === "completed") answer.status = "complete";
    else if (status === "interrupted") Object.assign(answer, { status: "complete", reason: status });
    else if (status === "cancelled") answer.status = "stopped";
    else fail(answer, "The run ended before its answer was complete.", { code: status ?? "truncated" });
    return null;
  }

  #sendStop() {
    const answer = this.#answer;
    if (this.#stopSent) return;
    if (answer.transport === "ws" && this.#sent && this.#socket.stop(answer.id)) {
      this.#stopSent = true;
      return;
    }
    if (answer.run === null) return;
    this.#stopSent = true;
    fetch(`runs/${encodeURIComponent(answer.run)}/stop`, { method: "POST", keepalive: true }).then(
      (response) => {
        if (response.status === 404 || response.status === 410) this.#endStopped("the run was already gone");
      },
      () => this.#endStopped("the server could not be told to stop"),
    );
  }

  #endStopped(reason) {
    if (isOver(this.#answer)) return;
    this.#note(reason);
    this.#answer.status = "stopped";
    this.#drop();
    this.#endPause?.();
    this.#changed();
  }

  #drop() {
    this.#connection?.abort();
    if (this.#answer.transport === "ws") this.#socket.drop();
  }

  #watch() {
    if (Date.now() - this.#heardAt <= SILENCE_LIMIT) return;
    this.#note("nothing heard for too long");
    this.#hurry = true;
    this.#heardAt = Date.now();
    this.#drop();
  }

  #noteEnd() {
    const { status, reason, error, cursor } = this.#answer;
    const how = status === "failed" ? `failed: ${error.code ?? error.message}` : `ended: ${reason}`;
    this.#note(`${how} (at ${cursor})`);
  }
}

// The WebSocket transport: one socket for the page, many answers over it (subprotocol chat.v1.json).

import { ConnectionLost, Refusal } from "./outcome.js";

const PING_EVERY = 15_000;
const SILENCE_LIMIT = 35_000;
const CONNECT_LIMIT = 10_000;

/**
 * A socket that is opened when first needed and kept between questions, because the server keeps the history of a
 * conversation per connection.
 */
export class ChatSocket {
  #socket = null;
  #opening = null;
  #answers = new Map();
  #pings = null;
  #heardAt = 0;

  /** Called with each error frame that belongs to no answer. */
  onComplaint = () => {};

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** Sends a stop for an answer; false when there is no open socket to send it on. */
  stop(id) {
    if (!this.isOpen) return false;
    this.#socket.send(JSON.stringify({ type: "stop", id }));
    return true;
  }

  /** Drops the connection; every answer that is being read over it loses it. */
  drop(reason = "the connection was dropped") {
    const socket = this.#socket;
    this.#socket = null;
    this.#opening = null;
    clearInterval(this.#pings);
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = socket.onerror = null;
      socket.close();
    }
    for (const answer of this.#answers.values()) answer.lose(reason);
  }

  /** Asks a question, or reads on in a run after `request.cursor`, and yields the events of the run. */
  async *read(request, signal, seen) {
    await this.#open(signal);
    if (signal.aborted) throw new ConnectionLost("the connection was dropped");
    const queue = new FrameQueue();
    const lose = () => queue.lose("the connection was dropped");
    signal.addEventListener("abort", lose);
    this.#answers.set(request.id, queue);
    try {
      seen.anything();
      this.#socket.send(JSON.stringify(firstFrame(request)));
      seen.opened();
      for (;;) {
        const frame = await queue.next();
        seen.anything();
        if (frame.type === "pong") continue;
        if (frame.type === "started") seen.run(frame.run);
        else yield decodeFrame(frame, request);
      }
    } finally {
      signal.removeEventListener("abort", lose);
      if (this.#answers.get(request.id) === queue) this.#answers.delete(request.id);
    }
  }

  #open(signal) {
    if (this.isOpen) return Promise.resolve();
    this.#opening ??= new Promise((resolve, reject) => {
      const url = new URL("ws/chat", document.baseURI);
      url.protocol = url.protocol.replace("http", "ws");
      const socket = new WebSocket(url, "chat.v1.json");
      this.#socket = socket;
      const giveUp = setTimeout(() => this.#closed(socket, "the server did not answer", reject), CONNECT_LIMIT);
      signal.addEventListener("abort", () => {
        if (socket.readyState === WebSocket.CONNECTING) this.#closed(socket, "the connection was dropped", reject);
      }, { once: true });
      socket.onopen = () => {
        clearTimeout(giveUp);
        this.#opening = null;
        this.#heardAt = Date.now();
        this.#pings = setInterval(() => this.#ping(), PING_EVERY);
        resolve();
      };
      socket.onmessage = (message) => this.#receive(message.data);
      socket.onclose = (event) => {
        clearTimeout(giveUp);
        const reason = event.reason ? `the server closed the socket: ${event.reason}` : "the socket was closed";
        this.#closed(socket, reason, reject);
      };
    });
    return this.#opening;
  }

  #closed(socket, reason, reject) {
    reject(new ConnectionLost(reason));
    if (this.#socket === socket) this.drop(reason);
  }

  // Frames of the WebSocket protocol's own ping are invisible to a page, so a silent socket is found with our own.
  #ping() {
    if (Date.now() - this.#heardAt > SILENCE_LIMIT) this.drop("nothing was heard from the server");
    else if (this.isOpen) this.#socket.send('{"type":"ping"}');
  }

  #receive(text) {
    this.#heardAt = Date.now();
    let frame;
    try {
      frame = JSON.parse(text);
    } catch {
      return this.onComplaint("a frame that is not JSON");
    }
    if (frame.type === "pong") {
      for (const answer of this.#answers.values()) answer.push(frame);
    } else if (this.#answers.has(frame.id)) {
      this.#answers.get(frame.id).push(frame);
    } else if (frame.type === "error") {
      this.onComplaint(frame.message ?? frame.code);
    }
  }
}

function firstFrame({ id, run, cursor, question, sent }) {
  if (!run && !sent) return { type: "ask", id, question };
  const resume = { type: "resume", id, after: Number(cursor) };
  if (run) resume.run = run;
  return resume;
}

function decodeFrame(frame, request) {
  const cursor = frame.seq === undefined ? null : String(frame.seq);
  switch (frame.type) {
    case "token":
    case "reasoning":
      return { cursor, type: frame.type, text: frame.text };
    case "tool_call":
      return { cursor, type: "tool_call", callId: frame.call_id, tool: frame.tool, args: frame.args };
    case "tool_result":
      return { cursor, type: "tool_result", callId: frame.call_id, content: frame.content };
    case "done":
      return { cursor, type: "done", reason: frame.reason, usage: frame.usage };
    case "error":
      // An error without a place in the run is about our frame, not about the answer.
      if (cursor === null || (request.run && frame.seq === 0)) throw new Refusal(frame.code, frame.message ?? frame.code);
      return { cursor, type: "error", message: frame.message, code: frame.code, retryable: frame.retryable };
    default:
      return { cursor, type: "unknown" };
  }
}

/** Frames that have arrived and wait for their reader, who never waits longer than one turn of the event loop. */
class FrameQueue {
  #frames = [];
  #lost = null;
  #wake = null;

  push(frame) {
    this.#frames.push(frame);
    this.#wake?.();
  }

  lose(reason) {
    this.#lost ??= new ConnectionLost(reason);
    this.#wake?.();
  }

  async next() {
    while (this.#frames.length === 0) {
      if (this.#lost) throw this.#lost;
      await new Promise((resolve) => (this.#wake = resolve));
    }
    return this.#frames.shift();
  }
}

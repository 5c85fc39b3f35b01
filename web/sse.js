// Server-sent events over fetch: a decoder for the bytes, and the transport that reads a run with it.

import { ConnectionLost, Refusal, refusalFrom } from "./outcome.js";

const LONGEST_LINE = 32 * 1024 * 1024;

/**
 * Turns the bytes of an event stream into events, however the bytes are split: in the middle of a character, a line,
 * or between CR and LF. Follows "Interpreting an event stream" of the HTML standard.
 */
export class EventStreamDecoder {
  #text = new TextDecoder("utf-8");
  #line = "";
  #afterCarriageReturn = false;
  #data = [];
  #event = "";
  #id = "";

  /** The id of the last complete block, also of a block without data. */
  lastEventId = "";
  /** The reconnection time that the server asked for, in milliseconds. */
  retry = null;

  /** Returns the events that these bytes complete, as `{ id, event, data }`. */
  push(bytes) {
    const events = [];
    let text = this.#text.decode(bytes, { stream: true });
    if (this.#afterCarriageReturn && text !== "") {
      if (text[0] === "\n") text = text.slice(1);
      this.#afterCarriageReturn = false;
    }
    let start = 0;
    for (const end of text.matchAll(/\r\n|\r|\n/g)) {
      this.#take(this.#line + text.slice(start, end.index), events);
      this.#line = "";
      start = end.index + end[0].length;
    }
    if (start > 0 && start === text.length && text.endsWith("\r")) this.#afterCarriageReturn = true;
    this.#line += text.slice(start);
    if (this.#line.length > LONGEST_LINE) throw new ConnectionLost("the server sent a line that never ends");
    return events;
  }

  #take(line, events) {
    if (line === "") {
      this.lastEventId = this.#id;
      if (this.#data.length > 0) {
        events.push({ id: this.#id, event: this.#event || "message", data: this.#data.join("\n") });
      }
      this.#data = [];
      this.#event = "";
      return;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return;
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? "" : line.slice(colon + 1);
    if (value.startsWith(" ")) value = value.slice(1);
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#event = value;
    else if (field === "id" && !value.includes("\0")) this.#id = value;
    else if (field === "retry" && /^\d+$/.test(value)) this.retry = Number(value);
  }
}

/**
 * Asks a question, or reads on in a run after `request.cursor`, and yields the events of the run. Ends or throws
 * `ConnectionLost` when the connection does; throws `Refusal` when the server answers with anything but a stream.
 */
export async function* readOverEvents(request, signal, seen) {
  const agent = request.thread !== null;
  const address = agent ? "agent/stream" : "chat/stream?format=json";
  const headers = { Accept: "text/event-stream" };
  let body;
  if (request.run) {
    headers["Last-Event-ID"] = `${request.run}:${request.cursor}`;
  } else {
    headers["Content-Type"] = "application/json";
    body = JSON.stringify(agent ? { message: request.question, thread_id: request.thread } : { question: request.question });
  }

  let response;
  try {
    response = await fetch(address, { method: "POST", headers, body, signal, cache: "no-store" });
  } catch {
    throw new ConnectionLost("the server could not be reached");
  }
  seen.anything();
  if (response.status === 204) throw new Refusal("over", "The run has ended.");
  if (!response.ok) throw await refusalFrom(response);
  if (!/^text\/event-stream\b/.test(response.headers.get("content-type") ?? "")) {
    throw new Refusal("not_a_stream", "The server answered with something that is not an event stream.");
  }
  const run = response.headers.get("x-run-id");
  if (run) seen.run(run);
  seen.opened();

  const decoder = new EventStreamDecoder();
  const reader = response.body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read().catch(() => {
        throw new ConnectionLost("the connection was dropped");
      });
      if (done) return;
      seen.anything();
      const events = decoder.push(value);
      if (decoder.retry !== null) seen.retry(decoder.retry);
      for (const event of events) yield agent ? decodeAgentEvent(event) : decodeEvent(event);
      if (decoder.lastEventId) seen.run(splitEventId(decoder.lastEventId).run);
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** Splits `{run}:{cursor}`; a run's id has no colon, its cursor is a number or `number.number`. */
export function splitEventId(id) {
  const colon = id.lastIndexOf(":");
  return { run: id.slice(0, colon), cursor: id.slice(colon + 1) };
}

function parse(data) {
  try {
    return JSON.parse(data);
  } catch {
    throw new Refusal("bad_event", "The server sent an event that is not JSON.");
  }
}

/** The agent's form: each event says its type. */
function decodeAgentEvent({ id, data }) {
  const payload = parse(data);
  const event = { cursor: splitEventId(id).cursor, type: payload.type };
  // What runs inside a node belongs to that node here.
  const inner = payload.namespace !== undefined;
  const { node, task, content } = payload;
  switch (payload.type) {
    case "token":
    case "reasoning":
      return { ...event, text: content };
    case "tool_call_started":
      return { ...event, type: "call_started", callId: payload.id, tool: payload.tool };
    case "tool_call_args":
      return { ...event, type: "call_args", callId: payload.id, delta: payload.delta };
    case "tool_call":
      return { ...event, callId: payload.id, tool: payload.tool, args: payload.args };
    case "tool_started":
      return { ...event, callId: payload.id };
    case "tool_result":
      return { ...event, callId: payload.id, content, failed: payload.failed };
    case "custom":
      return { ...event, callId: payload.id, content };
    case "interrupt":
      return { ...event, content };
    case "speaker":
      return { ...event, message: payload.message, node };
    case "node_started":
    case "node_finished":
      return inner ? { ...event, type: "unknown" } : { ...event, node, task, failed: payload.failed };
    case "done":
      return { ...event, reason: payload.reason, usage: payload.usage };
    case "error":
      return { ...event, message: payload.error, code: payload.code, retryable: payload.retryable };
    default:
      return { ...event, type: "unknown" };
  }
}

function decodeEvent({ id, event, data }) {
  const payload = parse(data);
  const { cursor } = splitEventId(id);
  if (event === "error" || "error" in payload) {
    return { cursor, type: "error", message: payload.error, code: payload.code, retryable: payload.retryable };
  }
  if ("token" in payload) return { cursor, type: "token", text: payload.token };
  if ("reasoning" in payload) return { cursor, type: "reasoning", text: payload.reasoning };
  if ("tool_call" in payload) {
    const { id: callId, tool, args } = payload.tool_call;
    return { cursor, type: "tool_call", callId, tool, args };
  }
  if ("tool_result" in payload) {
    const { id: callId, content } = payload.tool_result;
    return { cursor, type: "tool_result", callId, content };
  }
  if (payload.done) return { cursor, type: "done", reason: payload.reason, usage: payload.usage };
  return { cursor, type: "unknown" };
}

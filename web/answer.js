// One answer as plain data: what the events of its run fold into. It is what the page shows and what it stores.

const TERMINAL = new Set(["complete", "stopped", "failed"]);

/**
 * An answer that has been asked for and of which nothing has arrived. An answer of the agent has the `thread` of its
 * conversation; one of the chat has none.
 */
export function newAnswer({ transport, thread = null }) {
  return {
    id: randomId(),
    run: null,
    cursor: "0",
    status: "waiting",
    transport,
    thread,
    parts: [],
    speaker: null,
    nodes: {},
    pieces: 0,
    askedAt: Date.now(),
    firstAt: null,
    lastAt: null,
    usage: null,
    reason: null,
    error: null,
    stopAsked: false,
    reconnects: 0,
  };
}

/** 128 random bits: over a WebSocket the id alone must suffice to read the answer again. */
export function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function isOver(answer) {
  return TERMINAL.has(answer.status);
}

/** The Markdown source of the answer. */
export function textOf(answer) {
  const texts = answer.parts.filter((part) => part.type === "text").map((part) => part.text);
  return texts.length > 1 ? texts.map((text) => text.trim()).join("\n\n") : (texts[0] ?? "");
}

/**
 * Folds one event into the answer. An event at or before the answer's cursor was seen on an earlier connection and
 * is ignored, so no text can be repeated. Returns whether the event was new.
 */
export function applyEvent(answer, event, now = Date.now()) {
  if (event.cursor !== null) {
    if (!isAfter(event.cursor, answer.cursor)) return false;
    answer.cursor = event.cursor;
  }
  switch (event.type) {
    case "token":
      arrived(answer, now);
      extend(answer, "text", event.text, now);
      break;
    case "reasoning":
      arrived(answer, now);
      extend(answer, "reasoning", event.text, now);
      break;
    case "speaker":
      answer.speaker = { message: event.message, node: event.node };
      break;
    case "call_started":
      arrived(answer, now);
      closeReasoning(answer, now);
      answer.parts.push(newCall(answer, event.callId, event.tool));
      break;
    case "call_args": {
      arrived(answer, now);
      const call = openCall(answer, event.callId, (part) => part.args === null);
      if (call) call.text += event.delta;
      break;
    }
    case "tool_call": {
      arrived(answer, now);
      closeReasoning(answer, now);
      const grown = openCall(answer, event.callId, (part) => part.args === null);
      const call = grown ?? newCall(answer, event.callId, event.tool);
      call.args = event.args;
      if (!grown) answer.parts.push(call);
      break;
    }
    case "tool_started": {
      const call = openCall(answer, event.callId, (part) => part.startedAt == null);
      if (call) Object.assign(call, { startedAt: now, reconnects: answer.reconnects });
      break;
    }
    case "custom":
      openCall(answer, event.callId, (part) => part.result === null)?.notes.push(event.content);
      break;
    case "tool_result": {
      const call = openCall(answer, event.callId, (part) => part.result === null);
      if (!call) break;
      call.result = event.content;
      call.failed = event.failed === true;
      // What came after a break came late: then nobody here knows how long it took.
      if (call.reconnects === answer.reconnects) call.endedAt = now;
      break;
    }
    case "node_started": {
      const node = (answer.nodes[event.node] ??= { active: [], runs: 0, failed: false });
      node.active.push(event.task);
      node.runs += 1;
      break;
    }
    case "node_finished": {
      const node = answer.nodes[event.node];
      if (!node) break;
      node.active = node.active.filter((task) => task !== event.task);
      node.failed ||= event.failed === true;
      break;
    }
    case "interrupt":
      answer.asked = [...(answer.asked ?? []), event.content];
      break;
    case "done":
      closeAll(answer, now);
      answer.usage = event.usage ?? null;
      answer.reason = event.reason ?? "stop";
      answer.status = answer.reason === "stopped" ? "stopped" : "complete";
      break;
    case "error":
      closeAll(answer, now);
      fail(answer, event.message ?? "The answer failed.", { code: event.code, retryable: event.retryable });
      break;
    default:
      break;
  }
  return true;
}

/** Ends the answer with a failure; what has arrived stays. `resumable` failures are of the connection, not the run. */
export function fail(answer, message, { code = null, retryable = true, resumable = false } = {}) {
  answer.status = "failed";
  answer.error = { message, code, retryable: retryable !== false, resumable };
}

/** Time to first token, tokens and tokens per second; `exact` when the model's provider counted the tokens. */
export function measure(answer, now = Date.now()) {
  const exact = answer.usage?.source === "provider";
  const tokens = answer.usage?.output_tokens ?? answer.pieces;
  const until = isOver(answer) ? answer.lastAt : now;
  const seconds = answer.firstAt === null ? 0 : (until - answer.firstAt) / 1000;
  return {
    exact,
    tokens,
    firstToken: answer.firstAt === null ? null : (answer.firstAt - answer.askedAt) / 1000,
    rate: seconds >= 0.05 && tokens > 1 ? tokens / seconds : null,
  };
}

/** Whether cursor `a` lies after `b`. The pieces `n.1`, `n.2` of one event come before its end, `n`. */
export function isAfter(a, b) {
  const [aSeq, aPiece = Infinity] = a.split(".").map(Number);
  const [bSeq, bPiece = Infinity] = b.split(".").map(Number);
  return aSeq !== bSeq ? aSeq > bSeq : aPiece > bPiece;
}

function arrived(answer, now) {
  answer.firstAt ??= now;
  answer.lastAt = now;
  answer.pieces += 1;
  answer.status = "streaming";
}

// Messages of nodes that run at the same time grow side by side, each in parts of its own.
function extend(answer, type, text, now) {
  const last = latestPart(answer);
  if (last?.type === type) {
    last.text += text;
    return;
  }
  closeReasoning(answer, now);
  const part = { type, text, ...spokenBy(answer) };
  answer.parts.push(type === "reasoning" ? { ...part, since: now, seconds: null } : part);
}

function spokenBy({ speaker }) {
  return speaker ? { message: speaker.message, node: speaker.node } : {};
}

/** A call of a tool: its arguments grow as `text` until they are complete as `args`. */
function newCall(answer, callId, tool) {
  const call = { type: "tool", callId, tool, text: "", args: null, notes: [], result: null, failed: false };
  return { ...call, startedAt: null, endedAt: null, ...spokenBy(answer) };
}

// Models may give two calls the same id; then the first that fits is meant.
function openCall(answer, callId, fits) {
  return answer.parts.find((part) => part.type === "tool" && part.callId === callId && fits(part));
}

/** How a call is doing: `writing`, `called`, `running`, `done`, `failed`, or `left` when its run ended before it did. */
export function stateOf(call, over) {
  if (call.result !== null) return call.failed ? "failed" : "done";
  if (call.args !== null && call.startedAt == null) return "called";
  if (over) return "left";
  return call.args === null ? "writing" : "running";
}

/** The nodes that run now. */
export function activeNodes(answer) {
  if (isOver(answer)) return [];
  return Object.entries(answer.nodes ?? {}).filter(([, { active }]) => active.length > 0).map(([name]) => name);
}

/** The part that was added last to the message that is being said. */
function latestPart({ parts, speaker }) {
  const message = speaker?.message ?? null;
  return parts.findLast((part) => (part.message ?? null) === message);
}

function closeReasoning(answer, now) {
  closePart(latestPart(answer), now);
}

function closeAll(answer, now) {
  for (const part of answer.parts) closePart(part, now);
}

function closePart(part, now) {
  if (part?.type === "reasoning" && part.seconds === null) part.seconds = (now - part.since) / 1000;
}

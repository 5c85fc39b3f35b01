// One answer as plain data: what the events of its run fold into. It is what the page shows and what it stores.

const TERMINAL = new Set(["complete", "stopped", "failed"]);

/** An answer that has been asked for and of which nothing has arrived. */
export function newAnswer(transport) {
  return {
    id: randomId(),
    run: null,
    cursor: "0",
    status: "waiting",
    transport,
    parts: [],
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
    case "tool_call":
      arrived(answer, now);
      closeReasoning(answer, now);
      answer.parts.push({ type: "tool", callId: event.callId, tool: event.tool, args: event.args, result: null });
      break;
    case "tool_result": {
      const call = answer.parts.findLast((part) => part.type === "tool" && part.callId === event.callId);
      if (call) call.result = event.content;
      break;
    }
    case "done":
      closeReasoning(answer, now);
      answer.usage = event.usage ?? null;
      answer.reason = event.reason ?? "stop";
      answer.status = answer.reason === "stopped" ? "stopped" : "complete";
      break;
    case "error":
      closeReasoning(answer, now);
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

function extend(answer, type, text, now) {
  const last = answer.parts.at(-1);
  if (last?.type === type) {
    last.text += text;
    return;
  }
  closeReasoning(answer, now);
  answer.parts.push(type === "reasoning" ? { type, text, since: now, seconds: null } : { type, text });
}

function closeReasoning(answer, now) {
  const last = answer.parts.at(-1);
  if (last?.type === "reasoning" && last.seconds === null) last.seconds = (now - last.since) / 1000;
}

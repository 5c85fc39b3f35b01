// What the events of an agent's run fold into, without a browser.

import assert from "node:assert/strict";
import { test } from "node:test";

import { activeNodes, applyEvent, newAnswer, stateOf, textOf } from "../../web/answer.js";

let seq = 0;
const at = (event) => ({ cursor: String((seq += 1)), ...event });

function answerOf(events) {
  const answer = newAnswer({ transport: "sse", thread: "t" });
  for (const event of events) applyEvent(answer, event, 1000 + Number(event.cursor));
  return answer;
}

const RUN = [
  { type: "node_started", node: "agent", task: "1" },
  { type: "speaker", node: "agent", message: "m1" },
  { type: "reasoning", text: "Hm" },
  { type: "token", text: "Let me look." },
  { type: "call_started", callId: "c", tool: "look" },
  { type: "call_args", callId: "c", delta: '{"a":' },
  { type: "call_args", callId: "c", delta: "1}" },
  { type: "tool_call", callId: "c", tool: "look", args: { a: 1 } },
  { type: "node_finished", node: "agent", task: "1" },
  { type: "node_started", node: "tools", task: "2" },
  { type: "tool_started", callId: "c" },
  { type: "custom", callId: "c", content: "half way" },
  { type: "custom", content: { not: "of a tool" } },
  { type: "tool_result", callId: "c", content: "seen" },
  { type: "node_finished", node: "tools", task: "2" },
  { type: "node_started", node: "agent", task: "3" },
  { type: "speaker", node: "agent", message: "m2" },
  { type: "token", text: "I have " },
  { type: "token", text: "seen it." },
  { type: "node_finished", node: "agent", task: "3" },
  { type: "done", reason: "stop" },
].map(at);

test("a run becomes parts in the order in which they began", () => {
  const answer = answerOf(RUN);
  assert.deepEqual(answer.parts.map(({ type, node }) => `${node} ${type}`), ["agent reasoning", "agent text", "agent tool", "agent text"]);
  const call = answer.parts[2];
  assert.deepEqual([call.text, call.args, call.notes, call.result, stateOf(call, true)], ['{"a":1}', { a: 1 }, ["half way"], "seen", "done"]);
  assert.equal(textOf(answer), "Let me look.\n\nI have seen it.");
  assert.deepEqual(answer.nodes, { agent: { active: [], runs: 2, failed: false }, tools: { active: [], runs: 1, failed: false } });
});

test("a page that was loaded again after any event ends with the same answer", () => {
  const whole = answerOf(RUN);
  for (let cut = 0; cut <= RUN.length; cut += 1) {
    const stored = JSON.parse(JSON.stringify(answerOf(RUN.slice(0, cut))));
    // The server replays from before the cut: what was seen is not seen twice.
    for (const event of RUN.slice(Math.max(0, cut - 3))) applyEvent(stored, event, 1000 + Number(event.cursor));
    assert.deepEqual({ ...stored, id: 0, askedAt: 0 }, { ...JSON.parse(JSON.stringify(whole)), id: 0, askedAt: 0 }, `cut at ${cut}`);
  }
});

test("a call goes through its states", () => {
  const states = RUN.map((_, index) => answerOf(RUN.slice(0, index + 1)).parts.find(({ type }) => type === "tool")).map((call) => call && stateOf(call, false));
  assert.deepEqual([...new Set(states.filter(Boolean))], ["writing", "called", "running", "done"]);
  const cut = answerOf(RUN.slice(0, 6)).parts.at(-1);
  assert.equal(stateOf(cut, true), "left");
  const running = answerOf(RUN.slice(0, 11)).parts.at(-1);
  assert.equal(stateOf(running, true), "left", "a tool that ran when its run was stopped never finished");
});

test("how long a tool took is not known when the connection broke meanwhile", () => {
  const { startedAt, endedAt } = answerOf(RUN).parts[2];
  assert.equal(endedAt - startedAt, 3);
  const broken = answerOf(RUN.slice(0, 11));
  broken.reconnects += 1;
  for (const event of RUN.slice(11)) applyEvent(broken, event);
  assert.equal(broken.parts[2].endedAt, null);
});

test("messages that are said at the same time grow side by side", () => {
  const speaks = (message, text) => [{ type: "speaker", node: message, message }, { type: "token", text }].map(at);
  const answer = answerOf(["a", "b", "a", "b"].flatMap((message, index) => speaks(message, `${message}${index} `)));
  assert.deepEqual(answer.parts.map(({ node, text }) => [node, text]), [["a", "a0 a2 "], ["b", "b1 b3 "]]);
});

test("two calls with the same id are two calls", () => {
  const call = (city) => [
    { type: "call_started", callId: "c", tool: "look" },
    { type: "call_args", callId: "c", delta: JSON.stringify({ city }) },
    { type: "tool_call", callId: "c", tool: "look", args: { city } },
  ];
  const result = (content) => [{ type: "tool_started", callId: "c" }, { type: "tool_result", callId: "c", content }];
  const answer = answerOf([...call("Paris"), ...result("sun"), ...call("Rome"), ...result("rain")].map(at));
  assert.deepEqual(answer.parts.map(({ args, result }) => [args.city, result]), [["Paris", "sun"], ["Rome", "rain"]]);
});

test("nodes are active until they or their run end", () => {
  const parallel = ["1", "2"].map((task) => at({ type: "node_started", node: "tools", task }));
  const answer = answerOf([...parallel, at({ type: "node_finished", node: "tools", task: "1" })]);
  assert.deepEqual([activeNodes(answer), answer.nodes.tools.runs], [["tools"], 2]);
  applyEvent(answer, at({ type: "error", message: "no", code: "failed" }));
  assert.deepEqual(activeNodes(answer), [], "a run that failed has nothing that runs");
});

test("what a person is asked is kept", () => {
  const answer = answerOf([at({ type: "interrupt", content: { send: "a letter" } }), at({ type: "done", reason: "interrupted" })]);
  assert.deepEqual([answer.asked, answer.reason, answer.status], [[{ send: "a letter" }], "interrupted", "complete"]);
});

test("a result without a call is nothing to show", () => {
  const answer = answerOf([at({ type: "tool_result", callId: "gone", content: "x" }), at({ type: "call_args", callId: "gone", delta: "x" })]);
  assert.deepEqual(answer.parts, []);
});

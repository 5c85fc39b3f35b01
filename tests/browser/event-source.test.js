// Every token text arrives in the browser's own EventSource exactly as the model wrote it.

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { closeBrowser, openPage, startNetwork, startProvider, startServerFor } from "./support.js";

after(closeBrowser);

const CASES = {
  "two newlines": ["a", "\n\n", "b"],
  "a newline inside": ["a\nb"],
  "a newline at both ends": ["\na\n", "b"],
  "a field inside": ["x\nevent: y\n", "id: 7\nretry: 1\ndata: z"],
  "a comment inside": ["x\n: x", "\n:y"],
  "a leading space": [" x", "  y", " ", "z"],
  "the end marker as a token": ["a", "[DONE]", "b"],
  "the end marker as a line": ["a\n[DONE]\nb", "\n[DONE]"],
  "the end marker in two tokens": ["[DO", "NE]", " and on"],
  "a carriage return": ["a\rb", "\r", "c"],
  "a carriage return and a newline": ["a\r\nb\r\n", "\r\nc"],
  "a carriage return and a newline in two tokens": ["a\r", "\nb"],
  "a carriage return at the end": ["a\r"],
  "many bytes per character": ["é", "日本", "👩‍👩‍👧", "🇫🇷"],
  "other line separators": ["a\u2028b\u2029c\u0085d\u000be\u000cf"],
  "a byte order mark": ["\ufeffa", "\ufeff"],
  "a null character": ["a\0b"],
  "an empty token": ["a", "", "b"],
  "a colon first": [":", ": ", ":x"],
  "markup": ["<script>", "&amp;", "\\n"],
};

for (const [name, tokens] of Object.entries(CASES)) {
  test(`token text: ${name}`, async (t) => {
    const provider = await startProvider(t, { tokens });
    const address = await startServerFor(t, provider);
    const page = await openPage(t, address);
    const text = tokens.join("");

    const plain = await page.evaluate(readPlain, "plain");
    assert.equal(plain.text, text.replace(/\r\n?/g, "\n"), "plain form, where a carriage return becomes a newline");
    assert.ok(plain.ids.every((id) => /^[^:]+:\d+(\.\d+)?$/.test(id)), "every event has an id");
    assert.equal(new Set(plain.ids).size, plain.ids.length, "no id is given twice");

    const json = await page.evaluate(readJson, "json");
    assert.equal(json.text, text, "JSON form");
    assert.equal(json.done.reason, "stop");
    assert.deepEqual(page.problems, []);
  });
}

test("EventSource stops after the end and starts no second run", async (t) => {
  const provider = await startProvider(t, { tokens: ["Hello", " world"] });
  const address = await startServerFor(t, provider);
  const page = await openPage(t, address);
  const seen = await page.evaluate(
    () =>
      new Promise((resolve) => {
        const source = new EventSource("/chat/stream?question=Hi");
        const data = [];
        let connections = 0;
        source.onopen = () => (connections += 1);
        source.onmessage = (event) => data.push(event.data);
        // The first error is the end of the body; the second is the 204 that forbids another try.
        source.onerror = () => source.readyState === EventSource.CLOSED && resolve({ data, connections });
      }),
  );
  assert.equal(seen.data.join("|").replace("Hello| world|", ""), "[DONE]");
  assert.equal(seen.connections, 1);
  assert.equal(provider.calls.length, 1);
});

test("EventSource reads on after a cut in the middle", async (t) => {
  const tokens = Array.from({ length: 30 }, (_, index) => `${index},`);
  const provider = await startProvider(t, { tokens, allowed: 10 });
  const network = await startNetwork(t, await startServerFor(t, provider));
  const page = await openPage(t, network.url);
  await page.evaluate(() => {
    window.text = "";
    window.failed = 0;
    const source = new EventSource("/chat/stream?question=Hi");
    source.onmessage = (event) => {
      if (event.data === "[DONE]") window.done = true;
      else window.text += event.data;
    };
    source.onerror = () => (window.failed += 1);
  });
  await page.waitForFunction(() => window.text.endsWith("9,"));
  network.cut();
  await page.waitForFunction(() => window.failed > 0);
  provider.allow(Infinity);
  await page.waitForFunction(() => window.done);
  assert.equal(await page.evaluate(() => window.text), tokens.join(""));
  assert.equal(provider.calls.length, 1);
});

function readPlain(question) {
  return new Promise((resolve, reject) => {
    const source = new EventSource(`/chat/stream?question=${question}`);
    const ids = [];
    let text = "";
    source.onerror = () => reject(new Error("the connection failed"));
    source.onmessage = (event) => {
      ids.push(event.lastEventId);
      if (event.data !== "[DONE]") {
        text += event.data;
        return;
      }
      source.close();
      resolve({ text, ids });
    };
  });
}

function readJson(question) {
  return new Promise((resolve, reject) => {
    const source = new EventSource(`/chat/stream?format=json&question=${question}`);
    let text = "";
    source.onerror = () => reject(new Error("the connection failed"));
    source.onmessage = (event) => {
      const payload = JSON.parse(event.data);
      if (payload.token !== undefined) text += payload.token;
      if (payload.done !== true) return;
      source.close();
      resolve({ text, done: payload });
    };
  });
}

// The smallest reader that people write, a fetch and a split at newlines, works against this server as it is.

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { closeBrowser, openPage, startDemoServer, startProvider, startServerFor, words } from "./support.js";

after(closeBrowser);

// Kept word for word; its faults (no `stream: true`, no buffer between reads) are what the server must live with.
const READER = `
async function streamChat(question) {
const output = document.getElementById("output");
output.textContent = "";
const response = await fetch("/chat/stream", {
method: "POST",
headers: { "Content-Type": "application/json" },
body: JSON.stringify({ question }),
});
const reader = response.body.getReader();
const decoder = new TextDecoder();
while (true) {
const { done, value } = await reader.read();
if (done) break;
const text = decoder.decode(value);
const lines = text.split("\\n");
for (const line of lines) {
if (line.startsWith("data: ")) {
const token = line.slice(6);
if (token === "[DONE]") return;
output.textContent += token;
}
}
}
}
`;

function read(page, question) {
  return page.evaluate(
    async ([source, asked]) => {
      const output = document.createElement("div");
      output.id = "output";
      document.body.append(output);
      const streamChat = new Function(`${source}; return streamChat;`)();
      await streamChat(asked);
      return output.textContent;
    },
    [READER, question],
  );
}

test("reads the demo model's answer", async (t) => {
  const page = await openPage(t, await startDemoServer(t), { bypassCSP: true });
  const text = await read(page, "Explain LangGraph streaming modes.");
  assert.match(text, /stream/i);
  assert.doesNotMatch(text, /\[DONE\]|data:/);
});

test("shows every token that has no line break in it", async (t) => {
  const tokens = [...words(100), " é", "日本", "👩‍👩‍👧", "[DONE]", ": x", " and  spaces "];
  const provider = await startProvider(t, { tokens });
  const page = await openPage(t, await startServerFor(t, provider), { bypassCSP: true });
  assert.equal(await read(page, "Hello"), tokens.join(""));
});

test("loses nothing but the line breaks themselves", async (t) => {
  const tokens = ["a\nb", "\n\n", "event: y\n", "c\n[DONE]\nd"];
  const provider = await startProvider(t, { tokens });
  const page = await openPage(t, await startServerFor(t, provider), { bypassCSP: true });
  assert.equal(await read(page, "Hello"), tokens.join("").replaceAll("\n", ""));
});

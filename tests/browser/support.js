// What every browser test needs: a real server, a model provider under the test's control, and a page in Chromium.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

const HERE = path.dirname(fileURLToPath(import.meta.url));
const BINARY = path.resolve(process.env.MILLSTREAM_BIN ?? path.join(HERE, "../../target/debug/millstream"));
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

let browser = null;

/** One Chromium per test file; call `closeBrowser` when the file is done. */
export async function openBrowser() {
  browser ??= await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
  return browser;
}

export async function closeBrowser() {
  await browser?.close();
  browser = null;
}

/** Starts a server on a free port; it ends with the test. Returns its address. */
export async function startServer(t, ...flags) {
  if (!existsSync(BINARY)) throw new Error(`${BINARY} does not exist: build it or set MILLSTREAM_BIN`);
  // Nothing in the environment may choose another model.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(OPENAI|MILLSTREAM)_/.test(name)));
  const child = spawn(BINARY, ["--listen", "127.0.0.1:0", "--store", "memory:", ...flags.map(String)], {
    env: { ...env, NO_PROXY: "127.0.0.1", no_proxy: "127.0.0.1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  t.after(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  let complaints = "";
  child.stderr.on("data", (bytes) => (complaints += bytes));
  const address = await new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).on("line", (line) => {
      const found = /http:\/\/127\.0\.0\.1:\d+/.exec(line);
      if (found) resolve(found[0]);
    });
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`the server ended with ${code}: ${complaints}`)));
  });
  return address;
}

/** A server with the demo model, as fast as it can. */
export function startDemoServer(t, ...flags) {
  return startServer(t, "--model", "demo", "--demo-delay", 0, ...flags);
}

/** A server whose model is `provider`. */
export function startServerFor(t, provider, ...flags) {
  return startServer(t, "--base-url", provider.url, "--model", "test-model", "--linger", 60, ...flags);
}

/**
 * A model provider of the OpenAI shape. It sends `tokens` as they are, one chunk each, but only as many as `allow` has
 * let through; `calls` holds the requests it saw and `closed` those that the other side gave up. A question that no tool has
 * answered yet gets the call `tool` (`{ name, pieces }`), if there is one, piece by piece as the tokens are.
 */
export async function startProvider(t, { tokens, tool = null, reasoning = [], allowed = Infinity, status = 200, cutAfter = Infinity }) {
  const provider = { calls: [], closed: 0, allowed, wake: new Set() };
  const server = http.createServer(async (request, response) => {
    if (!request.url.endsWith("/chat/completions")) return response.writeHead(404).end();
    let body = "";
    for await (const piece of request) body += piece;
    provider.calls.push(JSON.parse(body));
    const answer = typeof status === "function" ? status(provider.calls.length) : status;
    if (answer !== 200) {
      response.writeHead(answer, { "content-type": "application/json" });
      return response.end('{"error":{"message":"no","type":"server_error"}}');
    }
    let gone = false;
    response.on("close", () => {
      if (!response.writableFinished) provider.closed += 1;
      gone = true;
      for (const wake of provider.wake) wake();
    });
    response.writeHead(200, { "content-type": "text/event-stream" });
    const send = (delta, rest = {}) => response.write(chunk({ choices: [{ index: 0, delta, finish_reason: null, ...rest }] }));
    send({ role: "assistant", content: "" });
    for (const text of reasoning) send({ reasoning_content: text });
    const calls = tool !== null && provider.calls.at(-1).messages.at(-1).role !== "tool";
    if (calls) send({ tool_calls: [{ index: 0, id: "call_1", type: "function", function: { name: tool.name, arguments: "" } }] });
    const pieces = calls ? tool.pieces : tokens;
    for (let sent = 0; sent < pieces.length && !gone; ) {
      if (sent >= cutAfter) return response.destroy();
      if (sent >= provider.allowed) {
        await new Promise((resolve) => provider.wake.add(resolve));
        continue;
      }
      send(calls ? { tool_calls: [{ index: 0, function: { arguments: pieces[sent] } }] } : { content: pieces[sent] });
      sent += 1;
      // One write per turn, so that the tokens are separate reads more often than not.
      await new Promise(setImmediate);
    }
    if (gone) return undefined;
    send({}, { finish_reason: calls ? "tool_calls" : "stop" });
    const usage = { prompt_tokens: 7, completion_tokens: pieces.length, total_tokens: pieces.length + 7 };
    response.write(chunk({ choices: [], usage }));
    return response.end("data: [DONE]\n\n");
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  provider.url = `http://127.0.0.1:${server.address().port}/v1`;
  provider.allow = (count) => {
    provider.allowed = count;
    for (const wake of provider.wake) wake();
    provider.wake.clear();
  };
  return provider;
}

/**
 * A network between the page and the server: `cut` ends every connection, `target` (null for nothing at all) may
 * change while the page sees one address.
 */
export async function startNetwork(t, target) {
  const sockets = new Set();
  const network = { target };
  const track = (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
  };
  const listener = net.createServer((near) => {
    track(near);
    if (network.target === null) return near.destroy();
    const { hostname, port } = new URL(network.target);
    const far = net.connect(Number(port), hostname);
    track(far);
    near.pipe(far).pipe(near);
    near.on("close", () => far.destroy());
    far.on("close", () => near.destroy());
    return undefined;
  });
  network.cut = () => {
    for (const socket of [...sockets]) socket.destroy();
  };
  await new Promise((resolve) => listener.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    listener.close();
    network.cut();
  });
  network.url = `http://127.0.0.1:${listener.address().port}`;
  return network;
}

function chunk(fields) {
  const whole = { id: "chatcmpl-1", object: "chat.completion.chunk", created: 1, model: "test-model", ...fields };
  return `data: ${JSON.stringify(whole)}\n\n`;
}

/** Opens the chat page. `page.problems` collects console errors, uncaught exceptions and policy violations. */
export async function openPage(t, address, { transport = "sse", mode = "chat", ...options } = {}) {
  const context = await (await openBrowser()).newContext(options);
  t.after(() => context.close());
  await context.addInitScript((chosen) => {
    for (const [name, value] of Object.entries(chosen)) {
      if (localStorage.getItem(`millstream.${name}`) === null) localStorage.setItem(`millstream.${name}`, JSON.stringify(value));
    }
    addEventListener("securitypolicyviolation", (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));
  }, { transport, mode });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  page.problems = [];
  page.on("console", (message) => message.type() === "error" && page.problems.push(message.text()));
  page.on("pageerror", (error) => page.problems.push(String(error)));
  await page.goto(address);
  await page.locator("#model-name").filter({ hasText: /\w/ }).waitFor();
  return page;
}

/** Types a question and sends it with Enter. */
export async function ask(page, question) {
  await page.fill("#question", question);
  await page.press("#question", "Enter");
}

/** Waits until the newest answer has `status`. */
export async function waitForStatus(page, status) {
  await page.locator(`.exchange:last-child[data-status="${status}"]`).waitFor({ state: "attached" });
}

/** Waits until the newest answer shows `text` somewhere. */
export async function waitForText(page, text) {
  await page.locator(".exchange:last-child .body").filter({ hasText: text }).waitFor();
}

/** The Markdown source of the newest finished answer, as the page stored it. */
export function answerText(page) {
  return page.evaluate(() => {
    const { answers, shown } = JSON.parse(sessionStorage.getItem("millstream.transcript")).at(-1);
    return answers[shown].parts.filter(({ type }) => type === "text").map(({ text }) => text).join("");
  });
}

/** `count` words that differ, so that a lost or repeated one is seen. */
export function words(count) {
  return Array.from({ length: count }, (_, index) => `word${index} `);
}

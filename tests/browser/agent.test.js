// The agent's mode: its calls are cards that grow, its graph shows what runs, and nothing of it is lost on the way.

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { answerText, ask, closeBrowser, openPage, startDemoServer, startNetwork, startProvider, startServerFor, waitForStatus, waitForText, words } from "./support.js";

after(closeBrowser);

const PARIS = { name: "get_weather", pieces: ['{"ci', 'ty": "', "Paris", '"}'] };
const RESULT = "The weather in Paris is sunny, 25°C.";

const card = (page, state) => page.locator(`.exchange:last-child .tool[data-state="${state}"]`);
const argumentsOf = (page) => page.locator(".exchange:last-child .tool figure").first().locator("pre");
const lit = (page) => page.locator("#drawing .node.active text:first-of-type").allTextContents();

async function openAgent(t, provider, options = {}) {
  return openPage(t, await startServerFor(t, provider), { mode: "agent", ...options });
}

test("a call grows, runs and has its result, and the node that runs is lit", async (t) => {
  const provider = await startProvider(t, { tokens: ["It is", " **sunny**."], tool: PARIS, allowed: 1 });
  const page = await openAgent(t, provider);
  assert.deepEqual(await lit(page), [], "nothing runs yet");
  await ask(page, "How is Paris?");
  await argumentsOf(page).filter({ hasText: /^\{"ci$/ }).waitFor();
  assert.match(await card(page, "writing").textContent(), /get_weather.*is being called/);
  assert.deepEqual(await lit(page), ["agent"]);
  assert.equal(await page.textContent("#graph-title"), "Graph of the agent. agent runs.");
  provider.allow(3);
  await argumentsOf(page).filter({ hasText: '{"city": "Paris' }).waitFor();
  provider.allow(Infinity);
  await waitForStatus(page, "complete");

  const done = card(page, "done");
  assert.equal(await argumentsOf(page).textContent(), '{\n  "city": "Paris"\n}');
  assert.match(await done.locator("summary").first().textContent(), /get_weather\s*Paris\s*finished in \d+ ms/);
  assert.ok((await done.textContent()).includes(RESULT));
  assert.equal(await done.locator(".raw pre").isVisible(), false);
  await done.locator(".raw summary").click();
  assert.deepEqual(JSON.parse(await done.locator(".raw pre").textContent()), { id: "call_1", tool: "get_weather", args: { city: "Paris" }, result: RESULT });

  assert.equal(await answerText(page), "It is **sunny**.", "what the tool gave is not what the agent said");
  assert.equal(await page.locator(".exchange .speaker").textContent(), "agent");
  assert.deepEqual(await lit(page), []);
  assert.deepEqual(await page.locator("#drawing .visited text:first-of-type").allTextContents(), ["start", "agent", "tools", "end"]);
  assert.equal(await page.textContent("[data-field=nodes]"), "agent ×2, tools");
  assert.equal(provider.calls.length, 2);
  assert.equal(provider.calls[1].messages.at(-1).content, RESULT);
  assert.deepEqual(page.problems, []);
});

test("the graph is a picture with a name, a description and dotted branches", async (t) => {
  const page = await openPage(t, await startDemoServer(t), { mode: "agent" });
  const svg = page.getByRole("img", { name: /Graph of the agent/ });
  await svg.waitFor();
  const description = await page.textContent("#graph-description");
  for (const edge of ["start leads to agent.", "agent may lead to tools.", "agent may lead to end."]) assert.ok(description.includes(edge), description);
  const { edges } = await page.evaluate(async () => (await fetch("agent/graph")).json());
  assert.equal(await svg.locator(".edge").count(), edges.length);
  assert.equal(await svg.locator(".edge.conditional").count(), edges.filter(({ conditional }) => conditional).length);
  for (const width of [1400, 800, 320]) {
    await page.setViewportSize({ width, height: 700 });
    const { sideways, boxes } = await page.evaluate(() => ({
      sideways: document.documentElement.scrollWidth - innerWidth,
      boxes: [...document.querySelectorAll("#drawing .node")].map((node) => node.getBoundingClientRect().toJSON()),
    }));
    assert.ok(sideways <= 0, `no sideways scroll at ${width}`);
    assert.ok(boxes.every(({ left, right }) => left >= 0 && right <= width), `all nodes are seen at ${width}`);
  }
  assert.deepEqual(page.problems, []);
});

const DISTURBANCES = {
  "a reload": (page) => page.reload(),
  "a dropped connection": async (page, network) => network.cut(),
  "a cut": async (page) => {
    if (!(await page.isVisible("#cut"))) await page.click("#run-log summary");
    await page.click("#cut");
  },
};

for (const [name, disturb] of Object.entries(DISTURBANCES)) {
  test(`${name} in a call and in the answer loses and repeats nothing`, async (t) => {
    const tokens = words(40);
    const provider = await startProvider(t, { tokens, tool: PARIS, allowed: 2 });
    const network = await startNetwork(t, await startServerFor(t, provider));
    const page = await openPage(t, network.url, { mode: "agent" });
    await ask(page, "How is Paris?");
    await argumentsOf(page).filter({ hasText: /^\{"city": "$/ }).waitFor();
    await disturb(page, network);
    await argumentsOf(page).filter({ hasText: /^\{"city": "$/ }).waitFor();
    provider.allow(20);
    await waitForText(page, "word19");
    await disturb(page, network);
    provider.allow(Infinity);
    await waitForStatus(page, "complete");
    assert.equal(await answerText(page), tokens.join(""));
    assert.equal(await page.locator(".tool").count(), 1);
    assert.equal(await argumentsOf(page).textContent(), '{\n  "city": "Paris"\n}');
    assert.equal(provider.calls.length, 2, "the model was asked once, and once with the result");
    assert.ok(Number(await page.textContent("[data-field=reconnects]")) >= 2);
    assert.deepEqual(await page.locator("#drawing .visited text:first-of-type").allTextContents(), ["start", "agent", "tools", "end"]);
  });
}

test("stop in the middle of a call leaves it unfinished, and the next question works", async (t) => {
  const provider = await startProvider(t, { tokens: ["Fine."], tool: PARIS, allowed: 2 });
  const page = await openAgent(t, provider);
  await ask(page, "How is Paris?");
  await argumentsOf(page).filter({ hasText: '{"city": "' }).waitFor();
  await page.keyboard.press("Escape");
  await waitForStatus(page, "stopped");
  assert.match(await card(page, "left").textContent(), /was not finished/);
  assert.deepEqual(await lit(page), []);
  while (provider.closed === 0) await new Promise(setImmediate);
  provider.allow(Infinity);
  await ask(page, "And now?");
  await page.locator(".exchange:nth-child(2)").waitFor();
  await waitForStatus(page, "complete");
  assert.equal(await answerText(page), "Fine.");
  assert.deepEqual(page.problems, []);
});

test("a call that its tool does not accept is a card that says so, and the agent goes on", async (t) => {
  const provider = await startProvider(t, { tokens: ["Sorry."], tool: { name: "get_weather", pieces: ['{"town":', '"Paris"}'] } });
  const page = await openAgent(t, provider);
  await ask(page, "How is Paris?");
  await waitForStatus(page, "complete");
  const failed = card(page, "failed");
  assert.match(await failed.textContent(), /get_weather.*failed.*Failure.*city/s);
  assert.equal(await answerText(page), "Sorry.");
});

test("what a tool reports and a result that is JSON are easy to read", async (t) => {
  const page = await openPage(t, await startDemoServer(t));
  const text = await page.evaluate(async () => {
    const { ToolView } = await import("./tool.js");
    const body = document.querySelector("#transcript");
    const view = new ToolView(body);
    const call = { callId: "c", tool: "look", text: '{"a":1}', args: { a: 1 }, notes: [], result: null, failed: false, startedAt: 1, endedAt: null };
    view.update(call, true, false);
    call.notes.push("half way");
    view.update(call, true, false);
    call.notes.push({ done: 1 });
    view.update(call, true, false);
    Object.assign(call, { result: '{"b":[2]}', endedAt: 2501 });
    view.update(call, false, true);
    return body.querySelector(".tool").innerText;
  });
  assert.match(text, /look\s+1\s+finished in 2\.5 s/);
  assert.match(text, /half way\s+\{"done":1\}/);
  assert.match(text, /Result\s+\{\n {2}"b": \[\n {4}2\n {2}\]\n\}/);
});

test("the mode is chosen by keyboard and remembered; cards fold by keyboard", async (t) => {
  const page = await openPage(t, await startDemoServer(t));
  const chat = page.getByRole("radio", { name: "Chat" });
  assert.ok(await chat.isChecked());
  assert.equal(await page.isVisible("#graph"), false);
  await chat.focus();
  await page.keyboard.press("ArrowRight");
  assert.ok(await page.getByRole("radio", { name: "Agent" }).isChecked());
  assert.equal(await page.isVisible("#graph"), true);
  assert.equal(await page.isVisible("#transports"), false, "the agent speaks over event streams alone");
  await page.reload();
  await page.locator("#graph").waitFor();
  await page.click("text=What is the weather in Paris?");
  await waitForStatus(page, "complete");
  assert.equal(await answerText(page), RESULT);
  const summary = page.locator(".tool > summary");
  await summary.focus();
  await page.keyboard.press("Enter");
  assert.equal(await page.locator(".tool figure").first().isVisible(), false);
  await page.keyboard.press("Enter");
  assert.equal(await page.locator(".tool figure").first().isVisible(), true);
  assert.deepEqual(page.problems, []);
});

test("the second question knows the first, and a new conversation does not", async (t) => {
  const provider = await startProvider(t, { tokens: ["Hello."] });
  const page = await openAgent(t, provider);
  const asked = () => provider.calls.at(-1).messages.filter(({ role }) => role !== "system").map(({ content }) => content);
  await ask(page, "I am Ada.");
  await waitForStatus(page, "complete");
  await page.reload();
  await ask(page, "Who am I?");
  await page.locator(".exchange:nth-child(2)").waitFor();
  await waitForStatus(page, "complete");
  assert.deepEqual(asked(), ["I am Ada.", "Hello.", "Who am I?"]);
  await page.click("#new-chat");
  await ask(page, "Who am I?");
  await waitForStatus(page, "complete");
  assert.deepEqual(asked(), ["Who am I?"]);
});

test("a conversation keeps its thread over reloads, and a new one has another", async (t) => {
  const page = await openPage(t, await startDemoServer(t), { mode: "agent" });
  const threads = [];
  page.on("request", (request) => request.url().endsWith("/agent/stream") && threads.push(request.postDataJSON().thread_id));
  for (const question of ["Hello", "And again"]) {
    await ask(page, question);
    await waitForStatus(page, "complete");
    await page.reload();
  }
  await page.click("#new-chat");
  await ask(page, "Somebody else");
  await waitForStatus(page, "complete");
  assert.equal(threads.length, 3);
  assert.equal(threads[0], threads[1]);
  assert.notEqual(threads[1], threads[2]);
  assert.ok(threads.every((thread) => /^[0-9a-f]{32}$/.test(thread)), "nobody can guess it");
});

test("chat and agent stand in one transcript, and each answers in its own way", async (t) => {
  const page = await openPage(t, await startDemoServer(t), { transport: "ws" });
  await ask(page, "What is the weather in Paris?");
  await waitForStatus(page, "complete");
  assert.equal(await page.locator(".tool").count(), 0, "the chat has no tools");
  await page.locator('input[name="mode"][value="agent"]').check({ force: true });
  await ask(page, "What is the weather in Paris?");
  await page.locator(".exchange:nth-child(2) .tool").waitFor();
  await waitForStatus(page, "complete");
  assert.equal(await page.locator(".exchange:first-child [data-part=again]").textContent(), "Regenerate");
  assert.equal((await page.locator(".exchange:last-child [data-part=again]").textContent()).trim(), "Ask again");
  assert.deepEqual(page.problems, []);
});

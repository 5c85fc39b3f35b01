// The page answers questions, over both transports, and behaves as people expect of a chat page.

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { answerText, ask, closeBrowser, openPage, startDemoServer, startProvider, startServerFor, waitForStatus, waitForText, words } from "./support.js";

after(closeBrowser);

for (const transport of ["sse", "ws"]) {
  test(`answers over ${transport}`, async (t) => {
    const tokens = ["Hello **wor", "ld**\r\n\r\n", "日本 [DONE]", "\n\n- one\n", "- two\u2028", "\0"];
    const provider = await startProvider(t, { tokens });
    const page = await openPage(t, await startServerFor(t, provider), { transport });
    await ask(page, "How are you?");
    await waitForStatus(page, "complete");
    assert.equal(await answerText(page), tokens.join(""));
    assert.equal(await page.textContent(".question [data-part=question]"), "How are you?");
    assert.equal(await page.textContent(".markdown strong"), "world");
    assert.equal(await page.locator(".markdown li").count(), 2);
    assert.match(await page.textContent(".numbers"), /first token .+ · .*6 tokens · test-model/);
    assert.doesNotMatch(await page.textContent(".numbers"), /~6/, "the provider's own count is not marked as a guess");
    assert.equal(await page.textContent("#status"), "Answer complete");
    assert.equal(await page.evaluate(() => document.activeElement.id), "question", "focus stays in the composer");
    assert.equal(provider.calls.length, 1);

    await ask(page, "And now?");
    await page.locator(".exchange:nth-child(2)").waitFor();
    await waitForStatus(page, "complete");
    assert.equal(provider.calls.length, 2);
    assert.deepEqual(page.problems, []);
  });
}

test("the demo model answers a suggestion without a key", async (t) => {
  const page = await openPage(t, await startDemoServer(t));
  assert.ok(await page.isVisible("#model-label"));
  await page.click("text=Explain LangGraph in 3 sentences");
  await waitForStatus(page, "complete");
  assert.match(await answerText(page), /LangGraph/);
  assert.deepEqual(page.problems, []);
});

test("reasoning is open while the model thinks and folds when the answer starts", async (t) => {
  const provider = await startProvider(t, { tokens: ["The answer."], reasoning: ["Let me ", "think."], allowed: 0 });
  const page = await openPage(t, await startServerFor(t, provider));
  await ask(page, "Why?");
  await page.locator(".reasoning[open]").filter({ hasText: "Let me think." }).waitFor();
  provider.allow(Infinity);
  await waitForStatus(page, "complete");
  assert.equal(await page.locator(".reasoning").getAttribute("open"), null);
  assert.equal(await answerText(page), "The answer.");
});

test("a failure before the answer says so and can be retried", async (t) => {
  const provider = await startProvider(t, { tokens: ["Better now."], status: (call) => (call === 1 ? 400 : 200) });
  const page = await openPage(t, await startServerFor(t, provider));
  await ask(page, "Hello?");
  await waitForStatus(page, "failed");
  assert.ok((await page.textContent('.exchange [role="alert"]')).length > 10);
  assert.equal(await page.textContent("#status"), "Answer failed");
  await page.click("text=Retry");
  await waitForStatus(page, "complete");
  assert.equal(await answerText(page), "Better now.");
  assert.equal(await page.textContent(".picker span"), "2 / 2");
});

test("a failure in the middle keeps the text and offers a retry", async (t) => {
  const provider = await startProvider(t, { tokens: words(20), cutAfter: 5 });
  const page = await openPage(t, await startServerFor(t, provider));
  await ask(page, "Hello?");
  await waitForStatus(page, "failed");
  assert.equal(await answerText(page), words(5).join(""));
  await page.locator('[role="alert"]').waitFor();
  assert.ok(await page.isVisible("text=Retry"));
  assert.equal(await page.getAttribute("#log", "aria-busy"), "false");
});

test("regenerate asks again and keeps both answers", async (t) => {
  const provider = await startProvider(t, { tokens: ["An answer."] });
  const page = await openPage(t, await startServerFor(t, provider));
  await ask(page, "Hello?");
  await waitForStatus(page, "complete");
  await page.click("text=Regenerate");
  await page.locator(".picker").filter({ hasText: "2 / 2" }).waitFor();
  await page.click('[aria-label="Previous answer"]');
  await page.locator(".picker").filter({ hasText: "1 / 2" }).waitFor();
  assert.equal(provider.calls.length, 2);
});

test("copies the Markdown source", async (t) => {
  const provider = await startProvider(t, { tokens: ["**bold** and\n\n```js\nlet a;\n```"] });
  const page = await openPage(t, await startServerFor(t, provider), { permissions: ["clipboard-read", "clipboard-write"] });
  await ask(page, "Hello?");
  await waitForStatus(page, "complete");
  await page.click("[data-part=copy]");
  await page.locator("[data-part=copy]").filter({ hasText: "Copied" }).waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), "**bold** and\n\n```js\nlet a;\n```");
  await page.click(".copy-code");
  await page.locator(".copy-code").filter({ hasText: "Copied" }).waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), "let a;");
});

test("Enter sends, Shift+Enter breaks the line, Enter of an input method does nothing", async (t) => {
  const provider = await startProvider(t, { tokens: ["ok"] });
  const page = await openPage(t, await startServerFor(t, provider));
  await page.fill("#question", "one");
  await page.dispatchEvent("#question", "keydown", { key: "Enter", isComposing: true, bubbles: true });
  assert.equal(await page.locator(".exchange").count(), 0);
  await page.press("#question", "Shift+Enter");
  await page.locator("#question").pressSequentially("two");
  assert.equal(await page.inputValue("#question"), "one\ntwo");
  await page.press("#question", "Enter");
  await waitForStatus(page, "complete");
  assert.equal(await page.textContent("[data-part=question]"), "one\ntwo");
  assert.match(JSON.stringify(provider.calls[0]), /one\\ntwo/);
});

test("follows the text only at the bottom", async (t) => {
  const tokens = words(600).map((word, index) => (index % 10 === 9 ? `${word}\n\n` : word));
  const provider = await startProvider(t, { tokens, allowed: 300 });
  const page = await openPage(t, await startServerFor(t, provider));
  await ask(page, "Much, please");
  await waitForText(page, "word299");
  const gap = () => page.evaluate(() => {
    const log = document.getElementById("log");
    return log.scrollHeight - log.clientHeight - log.scrollTop;
  });
  assert.ok((await gap()) < 2, "follows");
  await page.mouse.move(300, 300);
  await page.mouse.wheel(0, -400);
  await page.locator("#jump").waitFor();
  const top = await page.evaluate(() => document.getElementById("log").scrollTop);
  provider.allow(Infinity);
  await waitForStatus(page, "complete");
  assert.ok(Math.abs((await page.evaluate(() => document.getElementById("log").scrollTop)) - top) < 2, "let go");
  await page.click("#jump");
  assert.ok((await gap()) < 2, "back at the end");
  assert.ok(await page.isHidden("#jump"));
});

test("has its roles, and fits a phone", async (t) => {
  const wide = `\`\`\`\n${"x".repeat(300)}\n\`\`\`\n\n| ${"column | ".repeat(12)}\n|${"---|".repeat(12)}\n| ${"a value | ".repeat(12)}\n\n${"y".repeat(300)}`;
  const provider = await startProvider(t, { tokens: [wide, " end"], allowed: 1 });
  const page = await openPage(t, await startServerFor(t, provider), {
    viewport: { width: 390, height: 844 },
    isMobile: true,
    hasTouch: true,
    colorScheme: "dark",
  });
  await page.fill("#question", "z".repeat(200));
  await page.tap("#send");
  await waitForText(page, "yyy");
  const log = page.getByRole("log", { name: "Conversation" });
  assert.equal(await log.getAttribute("aria-busy"), "true");
  assert.equal(await page.getByRole("status").textContent(), "Generating");
  assert.equal(await page.locator("[data-ticker]").getAttribute("aria-live"), "off");
  await page.click("#run-log summary");
  const width = await page.evaluate(() => [document.documentElement.scrollWidth, document.getElementById("log").scrollWidth - document.getElementById("log").clientWidth]);
  assert.deepEqual(width, [390, 0]);
  for (const name of ["Stop", "New chat", "Cut the connection"]) {
    const box = await page.getByRole("button", { name }).boundingBox();
    assert.ok(box.height >= 44 && box.width >= 44, `${name} is large enough to touch`);
  }
  assert.equal(await page.evaluate(() => getComputedStyle(document.getElementById("question")).fontSize), "16px");
  provider.allow(Infinity);
  await waitForStatus(page, "complete");
  assert.equal(await log.getAttribute("aria-busy"), "false");
  assert.equal(await page.getByRole("status").textContent(), "Answer complete");
  assert.deepEqual(page.problems, []);
});

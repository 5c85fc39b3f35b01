// Stop ends the run on the server, keeps the text, and lets the next question through.

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { answerText, ask, closeBrowser, openPage, startProvider, startServerFor, waitForStatus, waitForText, words } from "./support.js";

after(closeBrowser);

for (const transport of ["sse", "ws"]) {
  for (const way of ["button", "Escape"]) {
    test(`stop over ${transport} by ${way}`, async (t) => {
      const provider = await startProvider(t, { tokens: words(50), allowed: 12 });
      const page = await openPage(t, await startServerFor(t, provider), { transport });
      await ask(page, "A long answer, please");
      await waitForText(page, "word11");
      if (way === "button") await page.click("#stop");
      else await page.keyboard.press("Escape");
      await waitForStatus(page, "stopped");
      assert.equal(await answerText(page), words(12).join(""));
      await page.locator(".notice").filter({ hasText: "Stopped" }).waitFor();
      // The provider's connection is closed by the server, not by the end of its answer.
      while (provider.closed === 0) await new Promise(setImmediate);

      provider.allow(Infinity);
      await ask(page, "And the next");
      await page.locator(".exchange:nth-child(2)").waitFor();
      await waitForStatus(page, "complete");
      assert.equal(await answerText(page), words(50).join(""));
      assert.equal(provider.calls.length, 2);
      assert.deepEqual(page.problems, []);
    });
  }
}

for (const transport of ["sse", "ws"]) {
  test(`stop before the first token over ${transport}`, async (t) => {
    const provider = await startProvider(t, { tokens: words(50), allowed: 0 });
    const page = await openPage(t, await startServerFor(t, provider), { transport });
    await ask(page, "A long answer, please");
    await page.locator("[data-part=pending]").filter({ hasText: "Thinking" }).waitFor();
    await page.click("#stop");
    await waitForStatus(page, "stopped");
    while (provider.calls.length > 0 && provider.closed === 0) await new Promise(setImmediate);
    assert.equal(await page.evaluate(() => document.activeElement.id), "question", "focus is back in the composer");
    assert.deepEqual(page.problems, []);
  });
}

test("a stopped answer stays stopped after a reload", async (t) => {
  const provider = await startProvider(t, { tokens: words(50), allowed: 5 });
  const page = await openPage(t, await startServerFor(t, provider));
  await ask(page, "A long answer, please");
  await waitForText(page, "word4");
  await page.click("#stop");
  await waitForStatus(page, "stopped");
  await page.reload();
  await waitForStatus(page, "stopped");
  assert.equal(await answerText(page), words(5).join(""));
  assert.equal(provider.calls.length, 1);
});

test("a new chat abandons the running answer", async (t) => {
  const provider = await startProvider(t, { tokens: words(50), allowed: 5 });
  const page = await openPage(t, await startServerFor(t, provider));
  await ask(page, "A long answer, please");
  await waitForText(page, "word4");
  await page.click("#new-chat");
  await page.locator("#welcome").waitFor();
  while (provider.closed === 0) await new Promise(setImmediate);
  provider.allow(Infinity);
  await ask(page, "Hello again");
  await waitForStatus(page, "complete");
  assert.equal(await page.locator(".exchange").count(), 1);
});

// Whatever happens to the connection, the page ends up with the whole answer, and the model is asked once.

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { answerText, ask, closeBrowser, openPage, startDemoServer, startNetwork, startProvider, startServerFor, waitForStatus, waitForText, words } from "./support.js";

after(closeBrowser);

const DISTURBANCES = {
  "a reload": (page) => page.reload(),
  "a dropped connection": async (page, network) => network.cut(),
  "a cut": async (page) => {
    await page.click("#run-log summary");
    await page.click("#cut");
    await page.locator('.exchange[data-status="reconnecting"]').waitFor();
  },
  "no network for a while": async (page) => {
    await page.context().setOffline(true);
    await page.waitForFunction(() => !navigator.onLine);
    await page.context().setOffline(false);
  },
  "a change of transport": (page) => page.locator('input[name="transport"]:not(:checked)').check({ force: true }),
  "two reloads": async (page) => {
    await page.reload();
    await page.locator(".exchange").waitFor();
    await page.reload();
  },
};

for (const transport of ["sse", "ws"]) {
  for (const [name, disturb] of Object.entries(DISTURBANCES)) {
    test(`${name} over ${transport}`, async (t) => {
      const tokens = words(60);
      const provider = await startProvider(t, { tokens, allowed: 20 });
      const network = await startNetwork(t, await startServerFor(t, provider));
      const page = await openPage(t, network.url, { transport });
      await ask(page, "A long answer, please");
      await waitForText(page, "word19");
      const disturbed = disturb(page, network);
      provider.allow(40);
      await disturbed;
      await waitForText(page, "word39");
      provider.allow(Infinity);
      await waitForStatus(page, "complete");
      assert.equal(await answerText(page), tokens.join(""));
      assert.equal((await page.textContent(".exchange .markdown")).trim(), tokens.join("").trim());
      assert.equal(provider.calls.length, 1, "the model was asked once");
      assert.ok(Number(await page.textContent("[data-field=reconnects]")) >= 1);
    });
  }
}

test("a missed heartbeat", async (t) => {
  const tokens = words(30);
  const provider = await startProvider(t, { tokens, allowed: 10 });
  const page = await openPage(t, await startServerFor(t, provider, "--heartbeat", 3600));
  await page.clock.install();
  await page.reload();
  await ask(page, "A long answer, please");
  await page.clock.runFor(1_000);
  await waitForText(page, "word9");
  await page.clock.fastForward(41_000);
  await page.clock.runFor(6_000);
  await page.locator("[data-field=reconnects]").filter({ hasText: "1" }).waitFor({ state: "attached" });
  await page.clock.resume();
  provider.allow(Infinity);
  await waitForStatus(page, "complete");
  assert.equal(await answerText(page), tokens.join(""));
  assert.equal(provider.calls.length, 1);
});

test("an answer that ended while the page was away", async (t) => {
  const tokens = words(30);
  const provider = await startProvider(t, { tokens, allowed: 10 });
  const page = await openPage(t, await startServerFor(t, provider));
  await ask(page, "A long answer, please");
  await waitForText(page, "word9");
  const address = page.url();
  await page.goto("about:blank");
  provider.allow(Infinity);
  await page.goto(address);
  await waitForStatus(page, "complete");
  assert.equal(await answerText(page), tokens.join(""));
  assert.equal(provider.calls.length, 1);
});

test("a finished transcript is there after a reload", async (t) => {
  const provider = await startProvider(t, { tokens: ["One ", "answer."] });
  const page = await openPage(t, await startServerFor(t, provider));
  await ask(page, "First");
  await waitForStatus(page, "complete");
  await page.reload();
  await waitForStatus(page, "complete");
  await waitForText(page, "One answer.");
  assert.equal(provider.calls.length, 1);
  assert.deepEqual(page.problems, []);
});

for (const transport of ["sse", "ws"]) {
  test(`a server that was restarted, over ${transport}`, async (t) => {
    const provider = await startProvider(t, { tokens: words(30), allowed: 10 });
    const network = await startNetwork(t, await startServerFor(t, provider));
    const page = await openPage(t, network.url, { transport });
    await ask(page, "A long answer, please");
    await waitForText(page, "word9");
    network.target = await startDemoServer(t);
    network.cut();
    await waitForStatus(page, "failed");
    await page.locator('[role="alert"]').filter({ hasText: "no longer knows this answer" }).waitFor();
    assert.equal(await answerText(page), words(10).join(""), "the text so far was kept");
    await page.click("text=Retry");
    await waitForStatus(page, "complete");
  });
}

test("a server that is gone ends in an error, not in a spinner", async (t) => {
  const provider = await startProvider(t, { tokens: words(30), allowed: 10 });
  const address = await startServerFor(t, provider);
  const network = await startNetwork(t, address);
  const page = await openPage(t, network.url);
  await page.clock.install();
  await page.reload();
  await ask(page, "A long answer, please");
  await page.clock.runFor(1_000);
  await waitForText(page, "word9");
  network.target = null;
  network.cut();
  const failed = waitForStatus(page, "failed");
  let over = false;
  failed.then(() => (over = true), () => (over = true));
  while (!over) await page.clock.runFor(5_000);
  await failed;
  assert.equal(await answerText(page), words(10).join(""));
  network.target = address;
  provider.allow(Infinity);
  await page.clock.resume();
  await page.click("text=Reconnect");
  await waitForStatus(page, "complete");
  assert.equal(await answerText(page), words(30).join(""));
  assert.equal(provider.calls.length, 1);
});

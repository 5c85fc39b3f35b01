// Markdown is rendered from any cut of the text, ends the same however it arrived, and can do nothing but show.

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { answerText, ask, closeBrowser, openPage, startDemoServer, startProvider, startServerFor, waitForStatus } from "./support.js";

after(closeBrowser);

const HOSTILE = [
  "<script>window.hacked = 1</script>\n\n",
  '<img src=x onerror="window.hacked = 2">\n\n',
  "[a](javascript:window.hacked=3) [b](JaVaScRiPt:window.hacked=3) [c](java\tscript:window.hacked=3) [d](&#106;avascript:window.hacked=3)\n\n",
  "[e](data:text/html,<script>window.hacked=4</script>) [f](vbscript:x) [g](//evil.example) [h](/relative)\n\n",
  "![x](javascript:window.hacked=5) ![y](https://example.org/pixel.png)\n\n",
  "<javascript:window.hacked=6> <a href='javascript:window.hacked=7'>click</a>\n\n",
  '[i](https://example.org/"onmouseover="window.hacked=8)\n\n',
  '```"><script>window.hacked=9</script>\ncode <b>\n```\n\n',
  "| <img src=x onerror=window.hacked=10> | b |\n|---|---|\n| <svg onload=window.hacked=11> | c |\n\n",
  "<style>body{display:none}</style><iframe src=/></iframe>\n",
];

test("hostile Markdown does nothing", async (t) => {
  const provider = await startProvider(t, { tokens: HOSTILE });
  const page = await openPage(t, await startServerFor(t, provider));
  await ask(page, '<img src=x onerror="window.hacked=0"> [q](javascript:window.hacked=0)');
  await waitForStatus(page, "complete");
  assert.equal(await answerText(page), HOSTILE.join(""));
  const found = await page.evaluate(() => {
    const log = document.getElementById("transcript");
    return {
      elements: [...log.querySelectorAll("script, img, iframe, style, svg[onload], object, embed")].length,
      handlers: [...log.querySelectorAll("*")].flatMap((node) => node.getAttributeNames()).filter((name) => name.startsWith("on")),
      addresses: [...log.querySelectorAll("a")].map((link) => link.protocol),
      relations: [...log.querySelectorAll("a")].map((link) => link.rel),
    };
  });
  assert.equal(found.elements, 0);
  assert.deepEqual(found.handlers, []);
  assert.ok(found.addresses.length > 0 && found.addresses.every((protocol) => protocol === "https:"));
  assert.ok(found.relations.every((relation) => relation.includes("noopener")));
  for (const link of await page.locator("#transcript :is(a, .no-link)").all()) await link.dispatchEvent("mouseover");
  assert.equal(await page.evaluate(() => window.hacked), undefined);
  assert.deepEqual(page.problems, []);
});

const SAMPLE = `# Title with *emphasis*

A paragraph with **bold**, *italic*, ***both***, \`code\`, ~~gone~~, snake_case_name, 2 * 3 * 4,
a [link](https://example.org/a_(b)?q=1 "title"), <https://example.org/auto>, https://example.org/bare, and an \\*escape\\*.
A last line &amp; an entity.

Setext heading
---

1. one
   - nested *one*
   - nested two

     with a paragraph
2. two

   \`\`\`js
   const a = 1;

   const b = 2;
   \`\`\`
3. three

- [ ] open
- [x] done
* another list

> quoted
continued
> - a list
> > deeper

| Left | Right | \`a|b\` |
|:-----|------:|:---:|
| 1 | **2** | 3 |
| x \\| y | | z

| not a table
because no second row

~~~text
fenced \`\`\` with tildes
~~~

***

    indented code

Text that ends in an unfinished **bold and [link](https://example.org/unfin`;

test("any cut of the text ends in the same page", async (t) => {
  const page = await openPage(t, await startDemoServer(t));
  const differing = await page.evaluate(async (source) => {
    const { MarkdownView } = await import("/markdown.js");
    const show = (cuts) => {
      const root = document.createElement("div");
      const view = new MarkdownView(root);
      for (const cut of cuts) view.update(source.slice(0, cut), true);
      view.update(source, false);
      return root.innerHTML;
    };
    const whole = show([]);
    const results = [];
    const every = Array.from(source, (_, index) => index + 1);
    if (show(every) !== whole) results.push("every character");
    for (let cut = 0; cut <= source.length; cut += 1) if (show([cut]) !== whole) results.push(cut);
    // A fixed sequence of steps that are neither even nor periodic in the text.
    for (let step = 2; step < 40; step += 1) if (show(every.filter((cut) => (cut * cut) % step === 0)) !== whole) results.push(`step ${step}`);
    return { results, whole };
  }, SAMPLE);
  assert.deepEqual(differing.results, []);
  for (const expected of [
    '<h3 class="level-1">Title with <em>emphasis</em></h3>',
    "<em><strong>both</strong></em>",
    "snake_case_name, 2 * 3 * 4",
    '<a href="https://example.org/a_(b)?q=1" rel="noopener noreferrer" target="_blank">link</a>',
    'target="_blank">https://example.org/bare</a>, and an *escape*.',
    '<h4 class="level-2">Setext heading</h4>',
    '<th class="align-center" scope="col"><code>a|b</code></th>',
    "<td class=\"align-left\">x | y</td>",
    "const a = 1;\n\nconst b = 2;</code>",
    "<p>| not a table<br>because no second row</p>",
    "unfinished **bold and [link](",
  ]) {
    assert.ok(differing.whole.includes(expected), `${expected}\nis not in\n${differing.whole}`);
  }
});

test("half-written marks are not shown as they are", async (t) => {
  const page = await openPage(t, await startDemoServer(t));
  const shown = await page.evaluate(async (sources) => {
    const { MarkdownView } = await import("/markdown.js");
    return sources.map((source) => {
      const root = document.createElement("div");
      new MarkdownView(root).update(source, true);
      return root.innerHTML;
    });
  }, ["a **bo", "a **", "a `co", "see [the gui", "see [guide](https://exa", "text\n\n``", "```py", "text\n\n#", "- a\n- **b", "| a | b |\n|--"]);
  assert.deepEqual(shown.slice(0, 6), [
    "<p>a <strong>bo</strong></p>",
    "<p>a </p>",
    "<p>a <code>co</code></p>",
    "<p>see the gui</p>",
    '<p>see <span class="no-link">guide</span></p>',
    "<p>text</p>",
  ]);
  assert.match(shown[6], /<pre><code><\/code><\/pre>/);
  assert.equal(shown[7], "<p>text</p>");
  assert.equal(shown[8], '<ul><li>a</li><li><strong>b</strong></li></ul>');
  assert.match(shown[9], /<table>.*<th scope="col">a<\/th>/);
});

test("finished blocks are left alone", async (t) => {
  const page = await openPage(t, await startDemoServer(t));
  const touched = await page.evaluate(async () => {
    const { MarkdownView } = await import("/markdown.js");
    const source = "Some **words** in a [paragraph](https://example.org/) of `text`.\n\n- one\n- two\n\n".repeat(50);
    const root = document.body.appendChild(document.createElement("div"));
    const view = new MarkdownView(root);
    const observer = new MutationObserver(() => {});
    observer.observe(root, { childList: true, characterData: true, attributes: true, subtree: true });
    let early = 0;
    for (let cut = 0; cut < source.length; cut += 7) {
      const finished = new Set([...root.children].slice(0, -1));
      view.update(source.slice(0, cut), true);
      early += observer.takeRecords().filter(({ target }) => [...finished].some((block) => block.contains(target))).length;
    }
    return { early, blocks: root.children.length };
  });
  assert.deepEqual(touched, { early: 0, blocks: 100 });
});

// Markdown into the page while it is being written: finished blocks are left alone, only the last one changes.

import { parseBlocks } from "./blocks.js";
import { renderInline } from "./inline.js";

/** Shows a growing Markdown text inside `container`. */
export class MarkdownView {
  #container;
  #frozen = 0;
  #tail = [];

  constructor(container) {
    this.#container = container;
  }

  /** Shows `source`, which begins with everything shown before. `open` says that more will follow. */
  update(source, open) {
    const text = source.includes("\r") ? source.replace(/\r\n?/g, "\n") : source;
    const lines = text.slice(this.#frozen).split("\n");
    const blocks = parseBlocks(lines, open);
    const fresh = blocks.map((block, index) => renderBlock(block, open && index === blocks.length - 1));
    this.#show(fresh);
    // A guessed table may yet turn out to continue the paragraph before it.
    const unsettled = blocks.at(-1)?.guessed ? 2 : 1;
    if (open && blocks.length > unsettled) {
      const from = blocks.at(-unsettled).from;
      this.#frozen += lines.slice(0, from).reduce((length, line) => length + line.length + 1, 0);
      this.#tail = this.#tail.slice(-unsettled);
    }
  }

  #show(fresh) {
    fresh.forEach((node, index) => {
      const old = this.#tail[index];
      if (old === undefined) this.#container.append(node);
      fresh[index] = old === undefined ? node : become(old, node);
    });
    for (const old of this.#tail.slice(fresh.length)) old.remove();
    this.#tail = fresh;
  }
}

/** Changes `old` into `fresh` with as little change as possible, so that selections survive. Returns the node shown. */
function become(old, fresh) {
  if (old.nodeName !== fresh.nodeName || old.className !== fresh.className) {
    old.replaceWith(fresh);
    return fresh;
  }
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data === fresh.data) return old;
    if (fresh.data.startsWith(old.data)) old.appendData(fresh.data.slice(old.data.length));
    else old.data = fresh.data;
    return old;
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  }
  const children = [...fresh.childNodes];
  children.forEach((child, index) => {
    const present = old.childNodes[index];
    if (present) become(present, child);
    else old.append(child);
  });
  while (old.childNodes.length > children.length) old.lastChild.remove();
  return old;
}

function element(name, className, ...children) {
  const node = document.createElement(name);
  if (className) node.className = className;
  node.append(...children);
  return node;
}

function renderBlocks(blocks, open) {
  return blocks.map((block, index) => renderBlock(block, open && index === blocks.length - 1));
}

function renderBlock(block, open) {
  switch (block.kind) {
    case "heading":
      // The page's own headings come first: an answer begins at level 3.
      return element(`h${Math.min(block.level + 2, 6)}`, `level-${block.level}`, ...renderInline(block.text, open));
    case "rule":
      return element("hr");
    case "quote":
      return element("blockquote", "", ...renderBlocks(block.blocks, open));
    case "code":
      return renderCode(block);
    case "list":
      return renderList(block, open);
    case "table":
      return renderTable(block, open);
    default:
      return element("p", "", ...renderInline(block.text, open));
  }
}

function renderCode({ language, text }) {
  const copy = element("button", "copy-code", "Copy");
  copy.type = "button";
  copy.setAttribute("aria-label", "Copy code");
  const head = element("div", "code-head", element("span", "", language || "text"), copy);
  return element("div", "code-block", head, element("pre", "", element("code", "", document.createTextNode(text))));
}

function renderList({ ordered, start, loose, items }, open) {
  const list = element(ordered ? "ol" : "ul", loose ? "loose" : "");
  if (ordered && start !== 1) list.setAttribute("start", String(start));
  items.forEach((item, index) => {
    const writing = open && index === items.length - 1;
    const entry = element("li", item.checked === null ? "" : "task");
    if (item.checked !== null) {
      const box = element("input");
      box.setAttribute("type", "checkbox");
      box.setAttribute("disabled", "");
      if (item.checked) box.setAttribute("checked", "");
      entry.append(box);
    }
    item.blocks.forEach((block, position) => {
      const last = writing && position === item.blocks.length - 1;
      if (block.kind === "paragraph" && !loose) entry.append(...renderInline(block.text, last));
      else entry.append(renderBlock(block, last));
    });
    list.append(entry);
  });
  return list;
}

function renderTable({ header, align, rows }, open) {
  const row = (texts, name, writing) => {
    const node = element("tr");
    texts.forEach((text, column) => {
      const cell = element(name, align[column] ? `align-${align[column]}` : "", ...renderInline(text, writing));
      if (name === "th") cell.setAttribute("scope", "col");
      node.append(cell);
    });
    return node;
  };
  const body = element("tbody", "", ...rows.map((texts, index) => row(texts, "td", open && index === rows.length - 1)));
  const table = element("table", "", element("thead", "", row(header, "th", open && rows.length === 0)), body);
  return element("div", "table-scroll", table);
}

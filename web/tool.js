// One call of a tool as a card: its arguments as they grow, what it reports, what it gave.

import { stateOf } from "./answer.js";

const STATES = {
  writing: { says: "is being called", icon: "busy" },
  called: { says: "was called", icon: "idle" },
  running: { says: "is running", icon: "busy" },
  done: { says: "finished", icon: "done" },
  failed: { says: "failed", icon: "failed" },
  left: { says: "was not finished", icon: "idle" },
};

const PREVIEW = 80;

/** Shows a part of type `tool`. */
export class ToolView {
  #root;
  #icon;
  #preview;
  #note;
  #args;
  #notes;
  #result;
  #raw;
  #shown = "";

  constructor(body) {
    this.#root = element("details", "tool");
    this.#root.open = true;
    const summary = element("summary");
    this.#icon = element("i", "tool-icon");
    this.#icon.setAttribute("aria-hidden", "true");
    this.#preview = element("span", "tool-preview");
    this.#note = element("span", "tool-note");
    summary.append(this.#icon, element("code"), this.#preview, this.#note);
    this.#args = figure("Arguments");
    this.#notes = element("ul", "tool-notes");
    this.#notes.setAttribute("aria-label", "Reports");
    this.#result = figure("Result");
    this.#raw = element("details", "raw");
    this.#raw.append(element("summary"), element("pre"));
    this.#raw.firstChild.textContent = "Raw JSON";
    this.#root.append(summary, this.#args, this.#notes, this.#result, this.#raw);
    body.append(this.#root);
  }

  /** Brings the card up to date; `over` when the run is and nothing more can come. */
  update(part, _open, over) {
    const state = stateOf(part, over);
    const notes = part.notes ?? [];
    this.#grow(part.text ?? "", part.args);
    const shown = `${state} ${notes.length}`;
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#root.dataset.state = state;
    this.#icon.className = `tool-icon ${STATES[state].icon}`;
    this.#root.querySelector("code").textContent = part.tool;
    this.#preview.textContent = part.args === null ? "" : preview(part.args);
    this.#note.textContent = STATES[state].says + took(part);
    if (part.args !== null) setText(this.#args.lastChild, pretty(part.args));
    this.#notes.hidden = notes.length === 0;
    for (const note of notes.slice(this.#notes.childElementCount)) {
      const line = element("li");
      line.textContent = typeof note === "string" ? note : JSON.stringify(note);
      this.#notes.append(line);
    }
    this.#result.hidden = part.result === null;
    this.#result.firstChild.textContent = part.failed ? "Failure" : "Result";
    if (part.result !== null) setText(this.#result.lastChild, prettyText(part.result));
    this.#raw.hidden = part.args === null;
    const { callId: id, tool, args, result } = part;
    setText(this.#raw.lastChild, pretty(result === null ? { id, tool, args } : { id, tool, args, result }));
  }

  // Each piece of the arguments is added once, so that a long text costs what it is long.
  #grow(text, args) {
    this.#args.hidden = args === null && text === "";
    if (args !== null) return;
    const block = this.#args.lastChild;
    block.firstChild ?? block.append("");
    if (text.length > block.firstChild.length) block.firstChild.appendData(text.slice(block.firstChild.length));
  }
}

function took({ startedAt, endedAt }) {
  if (startedAt == null || endedAt == null) return "";
  const seconds = Math.max(0, endedAt - startedAt) / 1000;
  return seconds < 1 ? ` in ${Math.max(1, Math.round(seconds * 1000))} ms` : ` in ${seconds.toFixed(1)} s`;
}

/** The values of the arguments on one line. */
function preview(args) {
  const values = Object.values(args).map((value) => (typeof value === "string" ? value : JSON.stringify(value)));
  const line = values.join(", ").replace(/\s+/g, " ");
  return line.length > PREVIEW ? `${line.slice(0, PREVIEW - 1)}…` : line;
}

function pretty(value) {
  return JSON.stringify(value, null, 2);
}

/** A result that is JSON is easier to read in several lines; any other is shown as it is. */
function prettyText(text) {
  if (typeof text !== "string") return pretty(text);
  if (!/^\s*[[{]/.test(text)) return text;
  try {
    return pretty(JSON.parse(text));
  } catch {
    return text;
  }
}

function figure(label) {
  const root = element("figure");
  const caption = element("figcaption");
  caption.textContent = label;
  root.append(caption, element("pre"));
  return root;
}

function element(name, className = "") {
  const node = document.createElement(name);
  if (className) node.className = className;
  return node;
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// One question and its answers in the page.

import { activeNodes, isOver, stateOf, textOf } from "./answer.js";
import { copyText } from "./clipboard.js";
import { MarkdownView } from "./markdown.js";
import { describe } from "./runlog.js";
import { ToolView } from "./tool.js";

/** Shows an exchange `{ question, answers, shown }`; changes of its answer arrive through `update`. */
export class ExchangeView {
  #exchange;
  #answerId = null;
  #parts = [];
  #body;
  #pending;
  #notice;
  #footer;
  #picker;
  #numbers;
  #again;

  /** `ask(exchange)` answers the question anew, `resume(exchange)` reads on in a run that could not be reached. */
  constructor(exchange, { ask, resume }) {
    this.#exchange = exchange;
    const template = document.getElementById("exchange-template");
    this.root = template.content.firstElementChild.cloneNode(true);
    this.root.dataset.exchange = exchange.id;
    const find = (name) => this.root.querySelector(`[data-part="${name}"]`);
    find("question").textContent = exchange.question;
    this.#body = find("body");
    this.#pending = find("pending");
    this.#notice = find("notice");
    this.#footer = find("footer");
    this.#picker = find("picker");
    this.#numbers = find("numbers");
    this.#again = find("again");
    find("copy").addEventListener("click", (event) => copyText(textOf(this.#answer), event.currentTarget));
    this.#again.addEventListener("click", () => ask(exchange));
    find("retry").addEventListener("click", () => ask(exchange));
    find("resume").addEventListener("click", () => resume(exchange));
    find("previous").addEventListener("click", () => this.#turn(-1));
    find("next").addEventListener("click", () => this.#turn(1));
    this.update();
  }

  get #answer() {
    return this.#exchange.answers[this.#exchange.shown];
  }

  /** Brings the page up to date with the answer that is shown. */
  update() {
    const answer = this.#answer;
    const over = isOver(answer);
    if (this.#answerId !== answer.id) {
      this.#answerId = answer.id;
      this.#parts = [];
      this.#body.replaceChildren();
    }
    answer.parts.forEach((part, index) => {
      const isOpen = !over && !answer.parts.some((later, place) => place > index && later.message === part.message);
      this.#parts[index] ??= this.#addPart(part, answer.parts[index - 1]);
      this.#parts[index].update(part, isOpen, over);
    });
    this.root.dataset.status = answer.status;
    this.#body.classList.toggle("writing", answer.status === "streaming" && !answer.stopAsked);
    this.#showPending(answer);
    this.#showNotice(answer);
    this.#showFooter(answer, over);
  }

  // Who speaks is said where it changes.
  #addPart(part, before) {
    if (part.node !== undefined && part.node !== before?.node) {
      const label = this.#body.appendChild(document.createElement("p"));
      label.className = "speaker";
      label.textContent = part.node;
    }
    return newPartView(part, this.#body);
  }

  #turn(step) {
    const { answers, shown } = this.#exchange;
    if (!isOver(this.#answer)) return;
    this.#exchange.shown = Math.min(Math.max(shown + step, 0), answers.length - 1);
    this.update();
  }

  #showPending(answer) {
    const texts = { waiting: "Thinking…", reconnecting: "Reconnecting…", streaming: betweenMessages(answer) };
    const text = answer.stopAsked && !isOver(answer) ? "Stopping…" : (texts[answer.status] ?? "");
    this.#pending.hidden = text === "";
    setText(this.#pending.querySelector("span"), text);
  }

  #showNotice(answer) {
    const { text, kind } = noticeOf(answer);
    this.#notice.hidden = text === null;
    if (text === null) return;
    this.#notice.className = `notice ${kind}`;
    const message = this.#notice.querySelector("p");
    if (message.textContent !== text) {
      if (kind === "error") message.setAttribute("role", "alert");
      else message.removeAttribute("role");
      message.textContent = text;
    }
    this.#notice.querySelector('[data-part="retry"]').hidden = kind !== "error" && (answer.stopAsked || answer.status !== "stopped");
    this.#notice.querySelector('[data-part="resume"]').hidden = !answer.error?.resumable;
  }

  #showFooter(answer, over) {
    const hasText = textOf(answer) !== "";
    this.#footer.hidden = !over;
    if (!over) return;
    this.#footer.querySelector('[data-part="copy"]').hidden = !hasText;
    // An agent remembers what it was asked, so asking again adds to its conversation.
    setText(this.#again.querySelector("span"), answer.thread == null ? "Regenerate" : "Ask again");
    const { answers, shown } = this.#exchange;
    this.#picker.hidden = answers.length < 2;
    setText(this.#picker.querySelector("span"), `${shown + 1} / ${answers.length}`);
    const numbers = describe(answer);
    const parts = [numbers.first && `first token ${numbers.first}`, numbers.rate, numbers.tokens];
    if (answer.model) parts.push(answer.model);
    setText(this.#numbers, parts.filter(Boolean).join(" · "));
  }
}

/** What an agent does while nothing grows in the page: a node works after its last call has its result. */
function betweenMessages(answer) {
  const last = answer.parts.at(-1);
  const [node] = activeNodes(answer);
  return last?.type === "tool" && node !== undefined && ["done", "failed"].includes(stateOf(last, false)) ? `${node} works…` : "";
}

function noticeOf(answer) {
  if (answer.status === "failed") {
    const code = answer.error.code && answer.error.code !== "connection" ? ` (${answer.error.code})` : "";
    return { text: answer.error.message + code, kind: "error" };
  }
  if (answer.status === "stopped" && answer.stopAsked) return { text: "Stopped. You can ask the next question.", kind: "quiet" };
  if (answer.status === "stopped") return { text: "The server stopped this answer because nobody was reading it.", kind: "quiet" };
  if (answer.status === "complete" && answer.reason === "interrupted") {
    const asked = (answer.asked ?? []).map((question) => (typeof question === "string" ? question : JSON.stringify(question)));
    return { text: ["The agent waits for a person.", ...asked].join(" "), kind: "quiet" };
  }
  if (answer.status === "complete" && answer.reason === "length") return { text: "The answer ends here because it reached its length limit.", kind: "quiet" };
  if (answer.status === "complete" && answer.parts.length === 0) return { text: "The model answered with nothing.", kind: "quiet" };
  return { text: null, kind: "" };
}

function newPartView(part, body) {
  if (part.type === "reasoning") return new ReasoningView(body);
  if (part.type === "tool") return new ToolView(body);
  return new TextView(body);
}

class TextView {
  #markdown;
  #shown = null;

  constructor(body) {
    const root = body.appendChild(document.createElement("div"));
    root.className = "markdown";
    this.#markdown = new MarkdownView(root);
  }

  update(part, open) {
    const state = `${open}${part.text.length}`;
    if (state === this.#shown) return;
    this.#shown = state;
    this.#markdown.update(part.text, open);
  }
}

/** Open while the model thinks; closes once, when the answer begins. */
class ReasoningView {
  #root;
  #text;
  #wasOpen = true;

  constructor(body) {
    this.#root = body.appendChild(document.createElement("details"));
    this.#root.className = "reasoning";
    this.#root.open = true;
    this.#root.append(document.createElement("summary"), document.createElement("p"));
    this.#text = this.#root.lastChild.appendChild(document.createTextNode(""));
  }

  update(part, open) {
    if (part.text.length > this.#text.length) this.#text.appendData(part.text.slice(this.#text.length));
    const seconds = part.seconds ?? 0;
    setText(this.#root.firstChild, open ? "Thinking…" : `Thought for ${seconds < 1 ? "a moment" : `${Math.round(seconds)} s`}`);
    if (this.#wasOpen && !open) this.#root.open = false;
    this.#wasOpen = open;
  }
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

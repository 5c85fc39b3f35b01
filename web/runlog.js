// The run log: what happens on the wire, for readers who want to see it.

import { isOver, measure } from "./answer.js";

const LINES = 200;

/** Fills the foldable panel `root` with the numbers and the story of the latest run. */
export class RunLog {
  #fields;
  #ticker;
  #lines;

  constructor(root) {
    this.#fields = Object.fromEntries([...root.querySelectorAll("[data-field]")].map((node) => [node.dataset.field, node]));
    this.#ticker = root.querySelector("[data-ticker]");
    this.#lines = root.querySelector("ol");
    // What is folded away cannot scroll.
    root.addEventListener("toggle", () => (this.#lines.scrollTop = this.#lines.scrollHeight));
  }

  /** Adds a line with the time of day. */
  note(text) {
    const now = new Date();
    const line = document.createElement("li");
    const time = document.createElement("time");
    time.textContent = `${now.toTimeString().slice(0, 8)}.${String(now.getMilliseconds()).padStart(3, "0")}`;
    line.append(time, ` ${text}`);
    const atEnd = this.#lines.scrollHeight - this.#lines.clientHeight - this.#lines.scrollTop < 24;
    this.#lines.append(line);
    while (this.#lines.childElementCount > LINES) this.#lines.firstElementChild.remove();
    if (atEnd) this.#lines.scrollTop = this.#lines.scrollHeight;
  }

  /** Shows the numbers of an answer, live ones and final ones. */
  show(answer) {
    const numbers = describe(answer);
    const values = {
      run: answer.run ?? "–",
      transport: answer.transport === "ws" ? "WebSocket" : "SSE",
      nodes: Object.entries(answer.nodes ?? {}).map(([name, { runs }]) => (runs > 1 ? `${name} ×${runs}` : name)).join(", ") || "–",
      state: answer.status,
      seq: answer.cursor,
      first: numbers.first ?? "–",
      rate: numbers.rate ?? "–",
      tokens: numbers.tokens ?? "–",
      reconnects: String(answer.reconnects),
    };
    for (const [name, value] of Object.entries(values)) setText(this.#fields[name], value);
    const parts = [`seq ${values.seq}`];
    if (numbers.first) parts.push(`first token ${numbers.first}`);
    if (numbers.rate) parts.push(numbers.rate);
    if (answer.reconnects > 0) parts.push(`${answer.reconnects} ${answer.reconnects === 1 ? "reconnect" : "reconnects"}`);
    setText(this.#ticker, parts.join(" · "));
  }

  clear() {
    this.#lines.replaceChildren();
    setText(this.#ticker, "");
    for (const node of Object.values(this.#fields)) setText(node, "–");
  }
}

/** The numbers of an answer as text; what the page counted itself, rather than the provider, is marked with ~. */
export function describe(answer) {
  const { exact, firstToken, rate, tokens } = measure(answer);
  const about = exact && isOver(answer) ? "" : "~";
  return {
    first: firstToken === null ? null : duration(firstToken),
    rate: rate === null ? null : `${about}${rate >= 100 ? Math.round(rate) : rate.toFixed(1)} tokens/s`,
    tokens: tokens === 0 ? null : `${about}${tokens} ${tokens === 1 ? "token" : "tokens"}`,
  };
}

function duration(seconds) {
  return seconds < 1 ? `${Math.max(1, Math.round(seconds * 1000))} ms` : `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
}

function setText(node, text) {
  if (node && node.textContent !== text) node.textContent = text;
}

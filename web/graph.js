// The agent's graph, drawn: the nodes that run are lit.

import { activeNodes } from "./answer.js";
import { layOut } from "./layout.js";

const SVG = "http://www.w3.org/2000/svg";
const LONGEST_NAME = 18;
const CHARACTER = 7.6;
const NAMES = { start: "start", end: "end" };
const beside = matchMedia("(width >= 76rem)");

/** Draws the graph of the agent into `root`, and shows in it what an answer's run does. */
export class GraphPanel {
  #root;
  #graph = null;
  #title = null;
  #nodes = new Map();
  #answer = null;

  constructor(root) {
    this.#root = root;
    beside.addEventListener("change", () => this.#draw());
  }

  /** Whether there is a graph to show. */
  get isThere() {
    return this.#graph !== null;
  }

  /** Asks the server for the graph. Without one nothing is shown. */
  async load() {
    try {
      const response = await fetch("agent/graph", { cache: "no-store" });
      if (response.ok) this.#graph = await response.json();
    } catch {
      // The page works without a drawing.
    }
    this.#draw();
  }

  /** Shows what the run of `answer` does now; `null` for none. */
  show(answer) {
    this.#answer = answer;
    const active = answer ? activeNodes(answer) : [];
    const visited = new Set(Object.keys(answer?.nodes ?? {}));
    if (visited.size > 0) visited.add("__start__");
    if (answer?.status === "complete") visited.add("__end__");
    for (const [id, node] of this.#nodes) {
      node.classList.toggle("active", active.includes(id));
      node.classList.toggle("visited", visited.has(id));
      node.classList.toggle("failed", answer?.nodes?.[id]?.failed === true);
      const running = answer?.nodes?.[id]?.active.length ?? 0;
      setText(node.querySelector(".count"), active.includes(id) && running > 1 ? `×${running}` : "");
    }
    if (this.#title) setText(this.#title, `Graph of the agent. ${says(active)}`);
  }

  #draw() {
    if (!this.#graph) return;
    const drawing = layOut(this.#graph, sizeOf, { horizontal: !beside.matches });
    const svg = element("svg", { viewBox: `0 0 ${drawing.width} ${drawing.height}`, width: drawing.width, height: drawing.height });
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-labelledby", "graph-title graph-description");
    this.#title = element("title", { id: "graph-title" });
    const description = element("desc", { id: "graph-description" });
    description.textContent = describe(this.#graph);
    svg.append(this.#title, description, arrowhead());
    for (const edge of drawing.edges) {
      const path = element("path", { d: edge.path, class: edge.conditional ? "edge conditional" : "edge" });
      path.setAttribute("marker-end", "url(#graph-arrow)");
      svg.append(path);
    }
    this.#nodes.clear();
    for (const node of drawing.nodes) {
      const group = drawNode(node);
      this.#nodes.set(node.id, group);
      svg.append(group);
    }
    this.#root.replaceChildren(svg);
    this.show(this.#answer);
  }
}

function says(active) {
  if (active.length === 0) return "Nothing runs.";
  return active.length === 1 ? `${active[0]} runs.` : `${active.slice(0, -1).join(", ")} and ${active.at(-1)} run.`;
}

/** The drawing in words. */
function describe({ nodes, edges }) {
  const nameOf = (id) => labelOf(nodes.find((node) => node.id === id) ?? { id });
  return edges.map(({ source, target, conditional }) => `${nameOf(source)} ${conditional ? "may lead" : "leads"} to ${nameOf(target)}.`).join(" ");
}

function labelOf({ id, kind }) {
  return NAMES[kind] ?? id;
}

function shorten(text) {
  return text.length > LONGEST_NAME ? `${text.slice(0, LONGEST_NAME - 1)}…` : text;
}

function sizeOf(node) {
  const isMark = node.kind in NAMES;
  return { width: Math.max(isMark ? 44 : 60, shorten(labelOf(node)).length * CHARACTER + 22), height: isMark ? 22 : 30 };
}

function drawNode(node) {
  const { x, y, width, height, kind } = node;
  const group = element("g", { class: `node ${kind}` });
  const radius = kind in NAMES ? height / 2 : 9;
  group.append(element("rect", { x: x - width / 2, y: y - height / 2, width, height, rx: radius }));
  const label = element("text", { x, y });
  label.textContent = shorten(labelOf(node));
  const count = element("text", { class: "count", x: x + width / 2, y: y - height / 2 });
  const whole = element("title", {});
  whole.textContent = labelOf(node);
  group.append(label, count, whole);
  return group;
}

function arrowhead() {
  const definitions = element("defs", {});
  const marker = element("marker", { id: "graph-arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" });
  marker.append(element("path", { d: "M0 0.5 7.5 4 0 7.5z" }));
  definitions.append(marker);
  return definitions;
}

function element(name, attributes) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

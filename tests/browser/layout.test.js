// Drawings of graphs: nothing lies on top of anything else, and edges lead where they should.

import assert from "node:assert/strict";
import { test } from "node:test";

import { layOut } from "../../web/layout.js";

const size = () => ({ width: 80, height: 30 });

function graph(edges, names = [...new Set(edges.flat())]) {
  const kind = (id) => (id === "start" || id === "end" ? id : "node");
  return { nodes: names.map((id) => ({ id, kind: kind(id) })), edges: edges.map(([source, target]) => ({ source, target, conditional: false })) };
}

const GRAPHS = {
  "an agent": graph([["start", "agent"], ["agent", "tools"], ["agent", "end"], ["tools", "agent"]]),
  "one node": graph([["start", "a"], ["a", "end"]]),
  "a loop of one": graph([["start", "a"], ["a", "a"], ["a", "end"]]),
  "fan out and join": graph([["start", "a"], ...["b", "c", "d", "e"].flatMap((id) => [["a", id], [id, "z"]]), ["z", "end"]]),
  "edges that pass layers": graph([["start", "a"], ["a", "b"], ["b", "c"], ["c", "end"], ["a", "end"], ["start", "c"], ["c", "a"]]),
  "a long way back": graph([["start", "a"], ["a", "b"], ["b", "c"], ["c", "d"], ["d", "a"], ["d", "b"], ["d", "end"]]),
  "everything to everything": graph(["a", "b", "c", "d"].flatMap((from) => ["a", "b", "c", "d"].map((to) => [from, to])).concat([["start", "a"]])),
  "a node that nothing leads to": graph([["start", "a"], ["a", "end"]], ["start", "a", "alone", "end"]),
  "an edge to nowhere": graph([["start", "a"], ["a", "gone"]], ["start", "a"]),
};

const points = (path) => path.match(/-?[\d.]+/g).map(Number).reduce((all, number, index) => (index % 2 ? (all.at(-1).push(number), all) : [...all, [number]]), []);

for (const horizontal of [false, true]) {
  for (const [name, drawn] of Object.entries(GRAPHS)) {
    test(`${name}, ${horizontal ? "side by side" : "below each other"}`, () => {
      const drawing = layOut(drawn, size, { horizontal });
      assert.equal(drawing.nodes.length, drawn.nodes.length);
      const known = new Set(drawn.nodes.map(({ id }) => id));
      assert.equal(drawing.edges.length, drawn.edges.filter(({ source, target }) => known.has(source) && known.has(target)).length);
      const boxes = drawing.nodes.map(({ id, x, y, width, height }) => ({ id, left: x - width / 2, right: x + width / 2, top: y - height / 2, bottom: y + height / 2 }));
      for (const box of boxes) {
        assert.ok(box.left >= 0 && box.top >= 0 && box.right <= drawing.width && box.bottom <= drawing.height, `${box.id} is inside`);
        for (const other of boxes) {
          const apart = box.right <= other.left || other.right <= box.left || box.bottom <= other.top || other.bottom <= box.top;
          assert.ok(box === other || apart, `${box.id} and ${other.id} are apart`);
        }
      }
      const byId = new Map(boxes.map((box) => [box.id, box]));
      const touches = ([x, y], { left, right, top, bottom }) => x >= left - 0.1 && x <= right + 0.1 && y >= top - 0.1 && y <= bottom + 0.1;
      for (const { source, target, path } of drawing.edges) {
        const way = points(path);
        assert.ok(touches(way[0], byId.get(source)), `${source} to ${target} begins at ${source}`);
        assert.ok(touches(way.at(-1), byId.get(target)), `${source} to ${target} ends at ${target}`);
        assert.ok(way.flat().every((number) => Number.isFinite(number) && number >= 0), path);
      }
    });
  }
}

test("layers follow the edges", () => {
  const { nodes } = layOut(GRAPHS["edges that pass layers"], size);
  const depth = Object.fromEntries(nodes.map(({ id, y }) => [id, y]));
  assert.ok(depth.start < depth.a && depth.a < depth.b && depth.b < depth.c && depth.c < depth.end);
});

test("neighbours' edges do not cross", () => {
  const { nodes, edges } = layOut(GRAPHS["an agent"], size);
  const at = Object.fromEntries(nodes.map(({ id, x }) => [id, x]));
  const begins = (source, target) => points(edges.find((edge) => edge.source === source && edge.target === target).path)[0][0];
  assert.equal(begins("agent", "tools") < begins("agent", "end"), at.tools < at.end);
});

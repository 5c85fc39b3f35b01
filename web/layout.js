// A layered drawing of a graph: every edge leads onward, except those that lead back.

const BETWEEN_LAYERS = 34;
const BETWEEN_NODES = 18;
const BESIDE = 22;
const APART = 15;
const MARGIN = 6;
const SWEEPS = 4;

/**
 * Places the nodes of `{ nodes: [{ id }], edges: [{ source, target }] }` in layers, the start first, and gives each edge a
 * path. `sizeOf(node)` gives `{ width, height }`. Layers lie below each other, or beside each other if `horizontal`.
 */
export function layOut({ nodes, edges }, sizeOf, { horizontal = false } = {}) {
  const known = new Set(nodes.map(({ id }) => id));
  const drawn = edges.filter(({ source, target }) => known.has(source) && known.has(target));
  const { layerOf, order, isBack } = rank(nodes, drawn);
  const boxes = new Map();
  for (const node of nodes) {
    const { width, height } = sizeOf(node);
    boxes.set(node.id, { id: node.id, along: horizontal ? width : height, across: horizontal ? height : width });
  }
  const { layers, chains } = withBends(order, layerOf, drawn, isBack, boxes);
  untangle(layers, chains, drawn, isBack);
  place(layers, boxes);

  const end = Math.max(...[...boxes.values()].map(({ at, across }) => at + across / 2));
  let lanes = 0;
  const ways = drawn.map((edge, index) => {
    const [source, target] = [boxes.get(edge.source), boxes.get(edge.target)];
    if (!isBack[index]) return [source, ...chains[index].map((id) => boxes.get(id)), target];
    return layerOf.get(edge.source) - layerOf.get(edge.target) === 1 ? [source, target] : null;
  });
  const portOf = ports(ways);
  const paths = drawn.map((edge, index) => {
    if (ways[index]) return through(ways[index], portOf[index]);
    const [source, target] = [boxes.get(edge.source), boxes.get(edge.target)];
    if (source === target) return loop(source);
    lanes += 1;
    return around(source, target, end + BESIDE * lanes);
  });
  return screen(nodes, drawn, boxes, paths, end + BESIDE * (lanes + (drawn.some(({ source, target }) => source === target) ? 1 : 0)), horizontal);
}

// Edges to a node that is being visited lead back; without them the longest way from the start is a node's layer.
function rank(nodes, edges) {
  const leaving = new Map(nodes.map(({ id }) => [id, []]));
  edges.forEach((edge, index) => leaving.get(edge.source).push(index));
  const isBack = edges.map(() => false);
  const state = new Map();
  const visit = (id) => {
    state.set(id, "open");
    for (const index of leaving.get(id)) {
      const { target } = edges[index];
      if (state.get(target) === "open") isBack[index] = true;
      else if (!state.has(target)) visit(target);
    }
    state.set(id, "done");
  };
  for (const { id } of nodes) if (!state.has(id)) visit(id);

  // Every node behind those that lead to it; from the last to the first, since each is put in front of those that came before.
  const order = [];
  const seen = new Set();
  const line = (id) => {
    seen.add(id);
    for (const index of leaving.get(id).toReversed()) if (!isBack[index] && !seen.has(edges[index].target)) line(edges[index].target);
    order.unshift(id);
  };
  for (const { id } of nodes.toReversed()) if (!seen.has(id)) line(id);
  const layerOf = new Map(nodes.map(({ id, kind }) => [id, kind === "start" ? 0 : 1]));
  for (const id of order) {
    for (const index of leaving.get(id)) {
      const { target } = edges[index];
      if (!isBack[index]) layerOf.set(target, Math.max(layerOf.get(target), layerOf.get(id) + 1));
    }
  }
  return { layerOf, order, isBack };
}

// An edge that passes layers gets a bend in each, so that nothing lies under it.
function withBends(order, layerOf, edges, isBack, boxes) {
  const layers = [];
  const add = (layer, id) => (layers[layer] ??= []).push(id);
  for (const id of order) add(layerOf.get(id), id);
  const chains = edges.map(({ source, target }, index) => {
    if (isBack[index]) return null;
    const chain = [];
    for (let layer = layerOf.get(source) + 1; layer < layerOf.get(target); layer += 1) {
      const id = `${index} ${layer}`;
      boxes.set(id, { id, along: 0, across: 0, bend: true });
      add(layer, id);
      chain.push(id);
    }
    return chain;
  });
  return { layers: Array.from(layers, (layer) => layer ?? []), chains };
}

// Each layer is sorted by where its neighbours lie, down and up again: few crossings, as Sugiyama and others found.
function untangle(layers, chains, edges, isBack) {
  const before = new Map();
  const after = new Map();
  const link = (map, from, to) => map.set(from, [...(map.get(from) ?? []), to]);
  edges.forEach(({ source, target }, index) => {
    if (isBack[index]) return;
    const way = [source, ...chains[index], target];
    for (let step = 1; step < way.length; step += 1) {
      link(before, way[step], way[step - 1]);
      link(after, way[step - 1], way[step]);
    }
  });
  const sort = (layer, neighbours, other) => {
    const at = new Map(other.map((id, index) => [id, index]));
    const weight = new Map(layer.map((id, index) => {
      const places = (neighbours.get(id) ?? []).map((neighbour) => at.get(neighbour)).filter((place) => place !== undefined);
      return [id, places.length > 0 ? places.reduce((sum, place) => sum + place, 0) / places.length : index];
    }));
    layer.sort((a, b) => weight.get(a) - weight.get(b));
  };
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    for (let index = 1; index < layers.length; index += 1) sort(layers[index], before, layers[index - 1]);
    for (let index = layers.length - 2; index >= 0; index -= 1) sort(layers[index], after, layers[index + 1]);
  }
}

function place(layers, boxes) {
  let start = 0;
  for (const layer of layers) {
    const members = layer.map((id) => boxes.get(id));
    const thickness = Math.max(0, ...members.map(({ along }) => along));
    let at = -(members.reduce((sum, { across }) => sum + across, 0) + BETWEEN_NODES * (members.length - 1)) / 2;
    for (const box of members) {
      box.at = at + box.across / 2;
      box.depth = start + thickness / 2;
      at += box.across + BETWEEN_NODES;
    }
    start += thickness + BETWEEN_LAYERS;
  }
}

// Where on its side of a node each edge begins or ends: in the order of where they go, so that none crosses its neighbour.
function ports(ways) {
  const sides = new Map();
  const found = ways.map(() => [0, 0]);
  ways.forEach((way, index) => {
    if (!way) return;
    const join = (box, other, end) => {
      const side = `${box.id} ${other.depth > box.depth}`;
      sides.set(side, [...(sides.get(side) ?? []), { box, index, end, towards: other.at, isBack: way[0].depth > way.at(-1).depth }]);
    };
    join(way[0], way[1], 0);
    join(way.at(-1), way.at(-2), 1);
  });
  for (const side of sides.values()) {
    side.sort((a, b) => a.towards - b.towards || a.isBack - b.isBack || a.index - b.index);
    const apart = Math.min(APART, side[0].box.across / (side.length + 1));
    side.forEach(({ index, end }, place) => (found[index][end] = (place - (side.length - 1) / 2) * apart));
  }
  return found;
}

// A path is a list of points `[across, depth]`: a start, then two controls and an end for each curve.
function through(way, [leaves, arrives]) {
  const last = way.at(-1);
  const down = last.depth > way[0].depth ? 1 : -1;
  const points = [[way[0].at + leaves, way[0].depth + (down * way[0].along) / 2]];
  for (const bend of way.slice(1, -1)) curve(points, [bend.at, bend.depth]);
  curve(points, [last.at + arrives, last.depth - (down * last.along) / 2]);
  return points;
}

function curve(points, to) {
  const from = points.at(-1);
  const middle = (from[1] + to[1]) / 2;
  points.push([from[0], middle], [to[0], middle], to);
}

function around(source, target, lane) {
  const from = [source.at + source.across / 2, source.depth];
  const to = [target.at + target.across / 2, target.depth];
  const out = (point) => [lane + (lane - Math.max(from[0], to[0])) / 3, point[1]];
  return [from, out(from), out(to), to];
}

function loop(box) {
  const side = box.at + box.across / 2;
  return [[side, box.depth - 6], [side + BESIDE, box.depth - 14], [side + BESIDE, box.depth + 14], [side, box.depth + 6]];
}

function screen(nodes, edges, boxes, paths, far, horizontal) {
  const all = [...boxes.values()];
  const near = Math.min(...all.map(({ at, across }) => at - across / 2));
  const length = Math.max(...all.map(({ depth, along }) => depth + along / 2));
  const shift = MARGIN - near;
  const point = ([across, depth]) => (horizontal ? [depth + MARGIN, across + shift] : [across + shift, depth + MARGIN]);
  const across = far - near + 2 * MARGIN;
  const along = length + 2 * MARGIN;
  return {
    width: horizontal ? along : across,
    height: horizontal ? across : along,
    nodes: nodes.map((node) => {
      const box = boxes.get(node.id);
      const [x, y] = point([box.at, box.depth]);
      return { ...node, x, y, width: horizontal ? box.along : box.across, height: horizontal ? box.across : box.along };
    }),
    edges: edges.map((edge, index) => {
      const [first, ...rest] = paths[index].map(point).map(([x, y]) => `${round(x)} ${round(y)}`);
      return { ...edge, path: `M${first} C${rest.join(" ")}` };
    }),
  };
}

function round(number) {
  return Math.round(number * 10) / 10;
}

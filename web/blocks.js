// The outside of Markdown: lines into blocks. Plain data in and out; nothing here knows the page.

const FENCE = /^( {0,3})(`{3,}(?=[^`]*$)|~{3,})\s*([^\s`]*).*$/;
const HEADING = /^ {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$/;
const RULE = /^ {0,3}([-*_])(?:[ \t]*\1){2,}[ \t]*$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( *)([-+*]|\d{1,9}[.)])(?:( +)(?=\S)|[ \t]*$)/;
const DELIMITERS = /^ {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$/;
const BLANK = /^[ \t]*$/;

/**
 * Splits lines into blocks. Each has `from` and `to` (line numbers, `to` exclusive) and a `kind`: paragraph, heading,
 * code, quote, list, table, rule. With `open` the last line is still being written: marks in it that may become
 * anything are held back.
 */
export function parseBlocks(lines, open = false) {
  const blocks = [];
  let at = 0;
  const last = lines.length - 1;
  while (at < lines.length) {
    const line = lines[at];
    if (BLANK.test(line) || (open && at === last && isUndecided(line))) {
      at += 1;
      continue;
    }
    const block = parseOne(lines, at, open);
    block.from = at;
    blocks.push(block);
    at = block.to;
  }
  return blocks;
}

function isUndecided(line) {
  return /^ {0,3}(?:#{1,6}|[-+*_=]{1,2}|\*{3}|`{1,2}|~{1,2}|\d{1,3}[.)]?|>|\|)[ \t]*$/.test(line);
}

function parseOne(lines, at, open) {
  const line = lines[at];
  let match;
  if ((match = FENCE.exec(line))) return parseFence(lines, at, match, open);
  if ((match = HEADING.exec(line))) return { kind: "heading", level: match[1].length, text: match[2] ?? "", to: at + 1 };
  if (RULE.test(line)) return { kind: "rule", to: at + 1 };
  if (QUOTE.test(line)) return parseQuote(lines, at, open);
  if (ITEM.test(line) && indentOf(line) <= 3) return parseList(lines, at, open);
  if (/^ {4}/.test(line)) return parseIndented(lines, at);
  return parseTable(lines, at, open) ?? parseParagraph(lines, at, open);
}

function parseFence(lines, at, [, indent, mark, language], open) {
  const content = [];
  const end = new RegExp(`^ {0,3}${mark[0]}{${mark.length},}[ \\t]*$`);
  const strip = new RegExp(`^ {0,${indent.length}}`);
  let to = at + 1;
  let closed = false;
  for (; to < lines.length && !closed; to += 1) {
    if (end.test(lines[to])) closed = true;
    else content.push(lines[to].replace(strip, ""));
  }
  const tail = content.at(-1);
  if (!closed && open && tail !== undefined && (tail === "" || tail === mark[0] || tail === mark[0].repeat(2))) content.pop();
  return { kind: "code", language, text: content.join("\n"), closed, to };
}

function parseIndented(lines, at) {
  let to = at;
  let end = at;
  for (; to < lines.length && (/^ {4}/.test(lines[to]) || BLANK.test(lines[to])); to += 1) {
    if (!BLANK.test(lines[to])) end = to + 1;
  }
  const text = lines.slice(at, end).map((line) => line.slice(4)).join("\n");
  return { kind: "code", language: "", text, closed: true, to: end };
}

function parseQuote(lines, at, open) {
  const inside = [];
  let to = at;
  for (; to < lines.length; to += 1) {
    if (QUOTE.test(lines[to])) inside.push(lines[to].replace(QUOTE, ""));
    else if (BLANK.test(lines[to]) || startsBlock(lines[to]) || BLANK.test(inside.at(-1))) break;
    else inside.push(lines[to]);
  }
  return { kind: "quote", blocks: parseBlocks(inside, open && to === lines.length), to };
}

function parseList(lines, at, open) {
  const base = indentOf(lines[at]);
  const type = markerType(lines[at]);
  const items = [];
  let to = at;
  let width = 0;
  let afterBlank = false;
  let loose = false;
  while (to < lines.length) {
    const line = lines[to];
    const item = ITEM.exec(line);
    const indent = indentOf(line);
    if (BLANK.test(line)) {
      afterBlank = true;
      items.at(-1)?.lines.push("");
      to += 1;
      continue;
    }
    const nested = items.length > 0 && indent >= base + 2;
    if (item && !nested && indent >= base - 1 && markerType(line) === type && !RULE.test(line)) {
      loose ||= afterBlank && items.length > 0;
      const spaces = item[3]?.length ?? 1;
      width = indent + item[2].length + (spaces > 4 ? 1 : spaces);
      items.push({ lines: [line.slice(width)], number: Number.parseInt(item[2], 10) });
    } else if (items.length > 0 && (indent >= width || (nested && (item || afterBlank)))) {
      loose ||= afterBlank && !item && !insideFence(items.at(-1).lines);
      items.at(-1).lines.push(line.slice(Math.min(indent, width)));
    } else if (items.length > 0 && !afterBlank && !startsBlock(line)) {
      items.at(-1).lines.push(line.trimStart());
    } else {
      break;
    }
    afterBlank = false;
    to += 1;
  }
  const whole = open && to === lines.length;
  return {
    kind: "list",
    ordered: type !== "-" && type !== "*" && type !== "+",
    start: items[0].number,
    loose,
    items: items.map((item, index) => parseItem(item.lines, whole && index === items.length - 1)),
    to,
  };
}

function parseItem(lines, open) {
  while (lines.length > 1 && BLANK.test(lines.at(-1)) && !open) lines.pop();
  const task = /^\[([ xX])\][ \t]+/.exec(lines[0]);
  if (task) lines[0] = lines[0].slice(task[0].length);
  return { checked: task ? task[1] !== " " : null, blocks: parseBlocks(lines, open) };
}

function insideFence(lines) {
  return lines.filter((line) => FENCE.test(line)).length % 2 === 1;
}

function parseTable(lines, at, open) {
  const header = lines[at];
  if (!header.includes("|")) return null;
  const next = lines[at + 1];
  const isLast = at === lines.length - 1;
  // A first line that begins with a bar is shown as a table before its second line proves it.
  const guessed = open && /^ {0,3}\|.*\S/.test(header) && (isLast || (at + 1 === lines.length - 1 && /^[ \t|:-]*$/.test(next)));
  if (!guessed) {
    if (isLast || !DELIMITERS.test(next) || cells(next).length !== cells(header).length) return null;
  }
  const align = isLast ? [] : cells(next).map((cell) => (cell.startsWith(":") ? (cell.endsWith(":") ? "center" : "left") : cell.endsWith(":") ? "right" : ""));
  const columns = cells(header);
  const rows = [];
  let to = Math.min(at + 2, lines.length);
  for (; to < lines.length && !BLANK.test(lines[to]) && !startsBlock(lines[to]); to += 1) {
    if (!lines[to].includes("|") && !(open && to === lines.length - 1)) break;
    if (open && to === lines.length - 1 && /^[ \t|]*$/.test(lines[to])) continue;
    const row = cells(lines[to]).slice(0, columns.length);
    while (row.length < columns.length) row.push("");
    rows.push(row);
  }
  return { kind: "table", header: columns, align, rows, guessed, to };
}

/** Splits a table row at its bars, but not at escaped ones nor inside code. */
export function cells(row) {
  const text = row.trim().replace(/^\|/, "");
  const found = [];
  let cell = "";
  let inCode = false;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (character === "\\" && text[at + 1] === "|") {
      cell += "|";
      at += 1;
    } else if (character === "|" && !inCode) {
      found.push(cell.trim());
      cell = "";
    } else {
      if (character === "`") inCode = !inCode && text.includes("`", at + 1);
      cell += character;
    }
  }
  if (cell.trim() !== "" || found.length === 0) found.push(cell.trim());
  return found;
}

function parseParagraph(lines, at, open) {
  const last = lines.length - 1;
  let to = at + 1;
  for (; to < lines.length && !BLANK.test(lines[to]); to += 1) {
    const underline = /^ {0,3}(=+|-{2,})[ \t]*$/.exec(lines[to]);
    if (underline && !(open && to === last && underline[1].length < 3)) {
      return { kind: "heading", level: underline[1][0] === "=" ? 1 : 2, text: lines.slice(at, to).join("\n"), to: to + 1 };
    }
    if (startsBlock(lines[to]) || (open && to === last && isUndecided(lines[to]))) break;
    if (lines[to].includes("|") && parseTable(lines, to, open)) break;
  }
  const text = lines.slice(at, to).map((line) => line.replace(/^[ \t]+/, "")).join("\n");
  return { kind: "paragraph", text: to === lines.length && open ? text : text.trimEnd(), to };
}

function startsBlock(line) {
  if (FENCE.test(line) || HEADING.test(line) || RULE.test(line) || QUOTE.test(line)) return true;
  const item = ITEM.exec(line);
  return item !== null && item[3] !== undefined && (!/^\d/.test(item[2]) || Number.parseInt(item[2], 10) === 1);
}

function indentOf(line) {
  return line.length - line.trimStart().length;
}

function markerType(line) {
  const mark = ITEM.exec(line)?.[2];
  return mark && /^\d/.test(mark) ? mark.at(-1) : mark;
}

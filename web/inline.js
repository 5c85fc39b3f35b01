// The inside of a Markdown paragraph: emphasis, code, links. Makes DOM nodes, never HTML text.

const SAFE_PROTOCOLS = new Set(["http:", "https:", "mailto:"]);
const ENTITIES = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0", copy: "©", hellip: "…", mdash: "—", ndash: "–", rarr: "→", larr: "←", times: "×", deg: "°" };
const PUNCTUATION = /[\p{P}\p{S}]/u;
const TAGS = { "*": ["em", "strong"], _: ["em", "strong"], "~": ["del", "del"] };

/**
 * Parses `source` into DOM nodes. With `open`, the text is still being written: what was begun at its end is shown
 * as it will most likely look (`**bo` as bold), and marks that mean nothing yet are held back.
 */
export function renderInline(source, open = false) {
  return new InlineParser(open ? heldBack(source) : source, open).parse();
}

/** An absolute http, https or mailto address, or null for everything that a link must not do. */
export function safeAddress(text) {
  try {
    const url = new URL(text);
    return SAFE_PROTOCOLS.has(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

function heldBack(source) {
  return source.replace(/(?:[*_~`]+|!?\[|\\|<[a-z/]{0,3}|&#?\w{0,6})$/i, "");
}

class InlineParser {
  #source;
  #open;
  #at = 0;
  #text = "";
  // Entries are nodes, runs of emphasis marks, or opening brackets; marks become nodes in the end.
  #entries = [];

  constructor(source, open) {
    this.#source = source;
    this.#open = open;
  }

  parse() {
    while (this.#at < this.#source.length) this.#step();
    this.#flush();
    for (const entry of this.#entries) {
      if (entry.bracket && this.#open && entry.hidden) entry.node.data = "";
    }
    return this.#emphasise(this.#entries.map((entry) => (entry.bracket ? { node: entry.node } : entry)), this.#open);
  }

  #step() {
    const source = this.#source;
    const rest = () => source.slice(this.#at);
    const character = source[this.#at];
    switch (character) {
      case "\\":
        return this.#escape();
      case "`":
        return this.#code();
      case "\n":
        this.#text = this.#text.replace(/ +$/, "");
        this.#push(document.createElement("br"));
        this.#at += 1;
        return;
      case "*":
      case "_":
      case "~":
        return this.#marks(character);
      case "!":
        if (source[this.#at + 1] === "[") return this.#bracket("![");
        break;
      case "[":
        return this.#bracket("[");
      case "]":
        return this.#closeBracket();
      case "<": {
        const address = /^<((?:https?:\/\/|mailto:)[^\s<>]*)>/i.exec(rest());
        if (address) return this.#link(address[0].length, address[1], address[1]);
        const lineBreak = /^<br\s*\/?>/i.exec(rest());
        if (lineBreak) {
          this.#push(document.createElement("br"));
          this.#at += lineBreak[0].length;
          return;
        }
        break;
      }
      case "&": {
        const entity = /^&(?:#(\d{1,7})|#x([\da-f]{1,6})|(\w{2,8}));/i.exec(rest());
        const decoded = entity && decodeEntity(entity);
        if (decoded) {
          this.#text += decoded;
          this.#at += entity[0].length;
          return;
        }
        break;
      }
      case "h":
        if (!/[\w/]/.test(source[this.#at - 1] ?? "") && !this.#insideBracket()) {
          const bare = /^https?:\/\/[^\s<>"'`*|\\]+/i.exec(rest());
          if (bare) {
            const address = trimAddress(bare[0]);
            return this.#link(address.length, address, address);
          }
        }
        break;
      default:
        break;
    }
    const plain = /^[^\\`\n*_~![\]<&h]+/.exec(source.slice(this.#at, this.#at + 500));
    const taken = plain ? plain[0] : character;
    this.#text += taken;
    this.#at += taken.length;
  }

  #flush() {
    if (this.#text === "") return;
    this.#entries.push({ node: document.createTextNode(this.#text) });
    this.#text = "";
  }

  #push(node) {
    this.#flush();
    this.#entries.push({ node });
  }

  #escape() {
    const next = this.#source[this.#at + 1];
    if (next === "\n") {
      this.#at += 1;
    } else if (next !== undefined && /[!-/:-@[-`{-~]/.test(next)) {
      this.#text += next;
      this.#at += 2;
    } else {
      this.#text += "\\";
      this.#at += 1;
    }
  }

  #code() {
    const fence = /^`+/.exec(this.#source.slice(this.#at))[0];
    const start = this.#at + fence.length;
    let end = start;
    for (;;) {
      end = this.#source.indexOf(fence, end);
      if (end < 0) break;
      let length = fence.length;
      while (this.#source[end + length] === "`") length += 1;
      if (length === fence.length) break;
      end += length;
    }
    if (end < 0 && !this.#open) {
      this.#text += fence;
      this.#at = start;
      return;
    }
    let content = (end < 0 ? this.#source.slice(start) : this.#source.slice(start, end)).replaceAll("\n", " ");
    if (/^ .*[^ ].* $/.test(content)) content = content.slice(1, -1);
    const code = document.createElement("code");
    code.textContent = content;
    this.#push(code);
    this.#at = end < 0 ? this.#source.length : end + fence.length;
  }

  #marks(character) {
    const source = this.#source;
    let length = 1;
    while (source[this.#at + length] === character) length += 1;
    const before = source[this.#at - 1] ?? " ";
    const after = source[this.#at + length] ?? " ";
    const spaceBefore = /\s/.test(before);
    const spaceAfter = /\s/.test(after);
    const markBefore = PUNCTUATION.test(before);
    const markAfter = PUNCTUATION.test(after);
    const left = !spaceAfter && (!markAfter || spaceBefore || markBefore);
    const right = !spaceBefore && (!markBefore || spaceAfter || markAfter);
    const word = character === "_";
    this.#flush();
    this.#entries.push({
      character,
      length,
      canOpen: left && (!word || !right || markBefore) && (character !== "~" || length === 2),
      canClose: right && (!word || !left || markAfter) && (character !== "~" || length === 2),
    });
    this.#at += length;
  }

  #bracket(mark) {
    const next = this.#source[this.#at + mark.length] ?? "";
    const before = this.#source[this.#at - 1] ?? " ";
    this.#flush();
    this.#entries.push({
      bracket: mark,
      // In a text that is still being written, `see [the gui` is most likely a link.
      hidden: /[\s(*_"']/.test(before) && /\p{L}/u.test(next),
      node: document.createTextNode(mark),
    });
    this.#at += mark.length;
  }

  #insideBracket() {
    return this.#entries.some((entry) => entry.bracket);
  }

  #closeBracket() {
    const opener = this.#entries.findLastIndex((entry) => entry.bracket);
    const rest = this.#source.slice(this.#at + 1);
    const target = opener < 0 ? null : /^\(\s*(?:<([^<>\n]*)>|((?:[^\s()\\]|\\.|\((?:[^\s()\\]|\\.)*\))*))(?:\s+(?:"[^"]*"|'[^']*'|\([^)]*\)))?\s*\)/.exec(rest);
    const hidden = opener >= 0 && this.#entries[opener].hidden;
    const unfinished = opener >= 0 && !target && this.#open && (/^\([^)\n]*$/.test(rest) || (hidden && rest === ""));
    if (!target && !unfinished) {
      if (opener >= 0) this.#settleBracket(opener);
      this.#text += "]";
      this.#at += 1;
      return;
    }
    this.#flush();
    const [{ bracket }, ...inside] = this.#entries.splice(opener);
    const content = this.#emphasise(inside.map((entry) => (entry.bracket ? { node: entry.node } : entry)), false);
    const address = target ? safeAddress(decodeEntities((target[1] ?? target[2]).replace(/\\([!-/:-@[-`{-~])/g, "$1"))) : null;
    if (bracket === "![" && content.length === 0) content.push(document.createTextNode("image"));
    const node = address ? anchor(address) : document.createElement("span");
    if (!address) node.className = "no-link";
    node.append(...content);
    this.#entries.push({ node });
    this.#at = target ? this.#at + 1 + target[0].length : this.#source.length;
  }

  #settleBracket(index) {
    const entry = this.#entries[index];
    this.#entries[index] = { node: entry.node };
  }

  #link(length, address, label) {
    const href = safeAddress(address);
    if (href === null) {
      this.#text += label;
    } else {
      const node = anchor(href);
      node.textContent = label;
      this.#push(node);
    }
    this.#at += length;
  }

  /** Pairs emphasis marks as CommonMark does; with `open`, marks that wait for their partner reach to the end. */
  #emphasise(entries, open) {
    const stack = [];
    let out = [];
    for (const entry of entries) {
      if (entry.node) {
        out.push(entry.node);
        continue;
      }
      let left = entry.length;
      while (entry.canClose && left > 0) {
        const index = stack.findLastIndex((mark) => matches(mark, entry));
        if (index < 0) break;
        stack.splice(index + 1).reverse().forEach((mark) => (out = mark.out.concat(literal(mark), out)));
        const mark = stack[index];
        const used = entry.character === "~" || (left >= 2 && mark.left >= 2) ? 2 : 1;
        out = [wrap(entry.character, used, out)];
        left -= used;
        mark.left -= used;
        if (mark.left === 0) {
          stack.pop();
          out = mark.out.concat(out);
        }
      }
      if (left === 0) continue;
      if (entry.canOpen) {
        stack.push({ ...entry, left, out });
        out = [];
      } else {
        out.push(document.createTextNode(entry.character.repeat(left)));
      }
    }
    while (stack.length > 0) {
      const mark = stack.pop();
      if (open && out.length > 0) {
        let inside = out;
        for (let rest = mark.left; rest > 0; rest -= 2) inside = [wrap(mark.character, Math.min(rest, 2), inside)];
        out = mark.out.concat(inside);
      } else {
        out = mark.out.concat(literal(mark), out);
      }
    }
    return out;
  }
}

function matches(opener, closer) {
  if (opener.character !== closer.character) return false;
  const both = (opener.canClose || closer.canOpen) && (opener.length + closer.length) % 3 === 0;
  return !both || (opener.length % 3 === 0 && closer.length % 3 === 0);
}

function literal(mark) {
  return mark.left > 0 ? [document.createTextNode(mark.character.repeat(mark.left))] : [];
}

function wrap(character, length, nodes) {
  const element = document.createElement(TAGS[character][length - 1]);
  element.append(...nodes);
  return element;
}

function anchor(href) {
  const node = document.createElement("a");
  node.href = href;
  node.rel = "noopener noreferrer";
  node.target = "_blank";
  return node;
}

function decodeEntity([, decimal, hexadecimal, name]) {
  if (name) return ENTITIES[name] ?? null;
  const code = decimal ? Number(decimal) : Number.parseInt(hexadecimal, 16);
  return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : null;
}

function decodeEntities(text) {
  return text.replace(/&(?:#(\d{1,7})|#x([\da-f]{1,6})|(\w{2,8}));/gi, (...match) => decodeEntity(match) ?? match[0]);
}

function trimAddress(address) {
  let end = address.replace(/[.,;:!?_~]+$/, "");
  while (end.endsWith(")") && end.split(")").length > end.split("(").length) end = end.slice(0, -1).replace(/[.,;:!?]+$/, "");
  return end;
}

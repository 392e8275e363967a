/** The declarations of a WGSL module. naga checks expressions, statements and templates. */
import { Fault, type Position, type Token } from "./lexer.ts";
import { KEYWORDS } from "./words.ts";

/** Its position is that of its name. */
export interface Attribute extends Position {
  readonly name: string;
  /** Indices of its tokens: from the @, `start`, up to, and without, `end`. */
  readonly start: number;
  readonly end: number;
}

/** Its position is that of its name. */
export interface Declaration extends Position {
  readonly kind: "alias" | "const" | "override" | "var" | "struct" | "fn";
  readonly name: string;
  readonly attributes: readonly Attribute[];
  /** The indices of the tokens of its keyword and of its name. */
  readonly keyword: number;
  readonly at: number;
  /** Indices of its tokens, without its attributes: from `start` up to, and without, `end`. */
  readonly start: number;
  readonly end: number;
  /** For a variable: the text within var<...>, without blanks. */
  readonly space: string;
  /** For a function: the number of its parameters; 2 for more than one. */
  readonly parameters: number;
  /** For a function: whether it has a return type. */
  readonly hasResult: boolean;
  /** The index of the token at which its body begins; `end` where it has none. */
  readonly body: number;
}

export interface Directive extends Position {
  readonly kind: "enable" | "requires" | "diagnostic";
  readonly names: readonly string[];
  readonly start: number;
  readonly end: number;
}

export interface Module {
  /** Without blanks and comments. Indices in declarations are indices of this list. */
  readonly tokens: readonly Token[];
  readonly declarations: readonly Declaration[];
  readonly directives: readonly Directive[];
  /** The index of the closing bracket, by the index of the opening one. */
  readonly closing: ReadonlyMap<number, number>;
}

const CLOSES: Record<string, string> = { "(": ")", "[": "]", "{": "}" };

/** Throws Fault where the declarations are not valid WGSL. */
export function moduleOf(all: readonly Token[]): Module {
  const tokens = all.filter(({ kind }) => kind === "name" || kind === "number" || kind === "symbol");
  return new Parser(tokens).module();
}

class Parser {
  readonly #tokens: readonly Token[];
  readonly #closing: ReadonlyMap<number, number>;
  readonly #declarations: Declaration[] = [];
  readonly #directives: Directive[] = [];
  /** The token behind the last one, with the last one's position. */
  readonly #end: Token;
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
    this.#closing = pairs(tokens);
    const { line, column } = tokens.at(-1) ?? { line: 1, column: 0 };
    this.#end = { kind: "symbol", text: "", line, column };
  }

  module(): Module {
    while (this.#at < this.#tokens.length) this.#next();
    const [tokens, declarations, directives, closing] = [
      this.#tokens,
      this.#declarations,
      this.#directives,
      this.#closing,
    ];
    return { tokens, declarations, directives, closing };
  }

  #next(): void {
    const attributes = this.#attributes();
    const start = this.#at;
    const first = this.#peek();
    const { text } = first;
    if (attributes.length === 0) {
      if (text === ";") {
        this.#at++;
        return;
      }
      if (text === "enable" || text === "requires" || text === "diagnostic") {
        this.#directive(text);
        return;
      }
    }
    this.#at++;
    switch (text) {
      case "const_assert":
        this.#toSemicolon(first);
        return;
      case "alias":
      case "const":
      case "override":
      case "var":
      case "struct":
      case "fn":
        this.#declaration(text, start, attributes);
        return;
      default:
        throw new Fault(first, "a declaration was expected", text || "the end");
    }
  }

  #directive(kind: Directive["kind"]): void {
    const start = this.#at;
    const position = this.#peek();
    if (this.#declarations.length > 0)
      throw new Fault(position, `${kind} behind a declaration`, undefined, "Write it first");
    this.#at++;
    this.#toSemicolon(position);
    const names = this.#tokens.slice(start + 1, this.#at).filter((token) => token.kind === "name");
    this.#directives.push({
      kind,
      line: position.line,
      column: position.column,
      names: names.map(({ text }) => text),
      start,
      end: this.#at,
    });
  }

  #declaration(kind: Declaration["kind"], start: number, attributes: Attribute[]): void {
    const space = kind === "var" ? this.#space() : "";
    const at = this.#at;
    const position = this.#peek();
    const { text: name, kind: token, line, column } = position;
    if (token !== "name" || KEYWORDS.has(name)) {
      throw new Fault(position, `a name was expected behind ${kind}`, name || "the end");
    }
    this.#at++;
    let parameters = 0;
    let hasResult = false;
    let body = -1;
    if (kind === "fn") {
      const open = this.#at;
      this.#bracket("(");
      parameters = this.#parameters(open);
      hasResult = this.#peek().text === "->";
      while (this.#at < this.#tokens.length && !"{};".includes(this.#peek().text)) this.#step();
      body = this.#at;
      this.#bracket("{");
    } else if (kind === "struct") {
      this.#bracket("{");
    } else {
      this.#toSemicolon(position);
    }
    this.#declarations.push({
      ...{ kind, name, line, column, attributes, keyword: start, at, start, end: this.#at },
      ...{ space, parameters, hasResult, body: body < 0 ? this.#at : body },
    });
  }

  /** The text within var<...>. A `<` behind var always begins a template. */
  #space(): string {
    if (this.#peek().text !== "<") return "";
    let space = "";
    const position = this.#peek();
    for (this.#at++; this.#peek().text !== ">"; this.#at++) {
      const { text } = this.#peek();
      if (text === "" || text === ";") throw new Fault(position, "a var< that is not closed");
      space += text;
    }
    this.#at++;
    return space;
  }

  #parameters(open: number): number {
    const close = this.#closing.get(open) as number;
    if (close === open + 1) return 0;
    const named = this.#tokens.slice(open, close).filter(({ text }) => text === ":").length;
    return Math.min(2, named);
  }

  #attributes(): Attribute[] {
    const found: Attribute[] = [];
    while (this.#peek().text === "@") {
      const start = this.#at;
      this.#at++;
      const position = this.#peek();
      const { text: name, line, column, kind } = position;
      if (kind !== "name") throw new Fault(position, "a name was expected behind @", name || "the end");
      this.#at++;
      if (this.#peek().text === "(") this.#step();
      found.push({ name, line, column, start, end: this.#at });
    }
    return found;
  }

  #bracket(open: string): void {
    if (this.#peek().text !== open) {
      throw new Fault(this.#peek(), `\`${open}\` was expected`, this.#peek().text || "the end");
    }
    this.#step();
  }

  /** Skips one token, or a bracket with its content. */
  #step(): void {
    this.#at = (this.#closing.get(this.#at) ?? this.#at) + 1;
  }

  #toSemicolon(position: Position): void {
    for (; this.#peek().text !== ";"; this.#step()) {
      const { text } = this.#peek();
      if (text === "" || text === "{") throw new Fault(position, "a declaration without `;`");
    }
    this.#at++;
  }

  #peek(): Token {
    return this.#tokens[this.#at] ?? this.#end;
  }
}

function pairs(tokens: readonly Token[]): Map<number, number> {
  const closing = new Map<number, number>();
  const open: number[] = [];
  for (const [at, token] of tokens.entries()) {
    const { text } = token;
    if (text === "(" || text === "[" || text === "{") open.push(at);
    if (text !== ")" && text !== "]" && text !== "}") continue;
    const last = open.pop();
    const opened = last === undefined ? undefined : tokens[last];
    if (!opened) throw new Fault(token, `\`${text}\` closes nothing`);
    if (CLOSES[opened.text] !== text) throw new Fault(opened, `\`${opened.text}\` is closed by \`${text}\``);
    closing.set(last as number, at);
  }
  const left = open.at(-1);
  if (left !== undefined) throw new Fault(tokens[left] as Token, `\`${tokens[left]?.text}\` is not closed`);
  return closing;
}

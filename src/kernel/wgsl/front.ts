/**
 * Changes a user's WGSL before naga parses it. The user's part and the library's part are one module. Each name that
 * the user declares gets a prefix that users can't write, so that neither part reaches the other's declarations.
 */
import { type Declaration, type Directive, type Module, moduleOf } from "./declarations.ts";
import { endlessLoops } from "./endless.ts";
import { Excerpts } from "./excerpts.ts";
import { type Extension, enabledBy, type Target } from "./extensions.ts";
import { Fault, linesOf, type Position, type Token, tokensOf } from "./lexer.ts";
import { locate } from "./locate.ts";

/** Prefix of each name that the user's part declares. */
export const PREFIX = "lf_u_";
/** Prefix of the built-in functions that the library replaces. */
export const BUILT_IN = "lf_b_";
/** Prefix of the names that structs of the kernel declare. */
export const OF_STRUCTS = "lf_s_";
/** The user's name for a name of naga's: without one of the three prefixes. */
export const ownName = (given: string): string => given.replace(/^lf_[ubs]_/, "");

/** The only name of the library that a user may write and declare. */
const ENTRY_POINT = "main";
/** Names reserved for the library. */
const LIBRARY = /^(?:lf_|Lf|LF_)/;
const SPACES = new Set(["private", "workgroup"]);
const FUNCTION_ATTRIBUTES = new Set(["must_use", "diagnostic"]);
/** Attributes whose arguments are context-dependent names, and no declared ones. */
const WITH_WORDS = new Set(["builtin", "interpolate", "diagnostic", "blend_src"]);
const BUFFERS = "Use payload, state, set_reply and the like: there are no buffers";

export interface FrontOptions {
  /**
   * Prefixes by name: the names of structs, and of built-in functions that the library replaces. A name that the user's
   * part declares itself is the user's.
   */
  readonly provided: ReadonlyMap<string, string>;
  /** Extensions that the part may enable, where the device has them. */
  readonly extensions: readonly Extension[];
  readonly target: Target;
}

/** A user's part, changed for naga. */
export class Front {
  /** The text for naga: the user's lines with the same tokens; comments became blanks. */
  readonly text: string;
  readonly lines: number;
  /** The provided names that the part uses. */
  readonly used: ReadonlySet<string>;
  /** Extensions that the part enables. */
  readonly enabled: ReadonlySet<string>;
  readonly #module: Module;
  readonly #declared = new Map<string, Declaration>();
  readonly #excerpts = new Excerpts();

  /** Throws Fault where the part is not allowed. */
  constructor(source: string, { provided, extensions, target }: FrontOptions) {
    const all = tokensOf(source);
    this.#module = moduleOf(all);
    for (const declaration of this.#module.declarations) this.#declared.set(declaration.name, declaration);
    check(this.#module);
    this.enabled = enabledBy(this.#module.directives, extensions, target);
    const changes = new Changes(this.#module, this.#declared, provided);
    const used = new Set<string>();
    for (const token of all) {
      if (token.kind === "break") this.#excerpts.endLine();
      else if (token.kind === "comment") this.#comment(token);
      else if (token.kind === "blank")
        this.#excerpts.put(token.text.replaceAll("\t", "  ").replace(/[\u200e\u200f]/g, " "), token.text);
      else {
        const { before, text, behind } = changes.next(token);
        if (before !== "" && !this.#declared.has(token.text)) used.add(token.text);
        this.#excerpts.insert(before);
        this.#excerpts.put(text, token.text);
        this.#excerpts.insert(behind);
      }
    }
    this.text = this.#excerpts.text();
    this.lines = this.#excerpts.lines;
    this.used = used;
  }

  /** The declaration of a name at module scope. */
  declaration(name: string): Declaration | undefined {
    return this.#declared.get(name);
  }

  /** The lines of the module variables, by their names in naga's text. */
  variables(): Map<string, number> {
    const variables = this.#module.declarations.filter(({ kind }) => kind === "var");
    return new Map(variables.map(({ name, line }) => [PREFIX + name, line]));
  }

  /** The line of a variable of the function `of`, or of the module. Both names are those in naga's text. */
  lineOfVariable(variable: string, of?: string): number | undefined {
    const { declarations, tokens } = this.#module;
    const body = declarations.find(({ kind, name }) => kind === "fn" && PREFIX + name === of);
    const own = ownName(variable);
    const isHere = (token: Token, at: number) => token.text === own && tokens[at - 1]?.text === "var";
    const within = body ? tokens.slice(body.start, body.end) : [];
    const found = within.find((token, at) => isHere(token, body ? body.start + at : at));
    return found?.line ?? this.variables().get(variable);
  }

  /** The line of an error that naga reports without a position. `isRefused` is called with smaller parts. */
  locate(isRefused: (part: string) => Promise<boolean>): Promise<number | undefined> {
    return locate(this.#module, isRefused);
  }

  /** naga's report, with the user's names, lines and columns. */
  explain(formatted: string): string {
    return this.#excerpts.explain(formatted);
  }

  /** The first line that naga's report names; 0 where it names none. */
  lineOf(formatted: string): number {
    return Number(/wgsl:(\d+):/.exec(formatted)?.[1] ?? 0);
  }

  /** The first name that matches `pattern` and is no member. */
  find(pattern: RegExp): Token | undefined {
    const { tokens } = this.#module;
    return tokens.find(({ kind, text }, at) => kind === "name" && pattern.test(text) && tokens[at - 1]?.text !== ".");
  }

  /** The line where naga's recursion is probably deepest: the most nested brackets, or the longest statement. */
  deepest(): number {
    const { tokens } = this.#module;
    let [depth, length, most] = [0, 0, 0];
    let line = 1;
    let start = 1;
    for (const token of tokens) {
      if ("([{".includes(token.text)) depth++;
      if (")]}".includes(token.text)) depth--;
      if (length === 0) start = token.line;
      length = ";{}".includes(token.text) ? 0 : length + 1;
      const levels = Math.max(length, 100 * depth);
      if (levels > most) [most, line] = [levels, 100 * depth > length ? token.line : start];
    }
    return line;
  }

  /** The first pointer to an element or a member; a pointer that is an argument comes before others. */
  elementPointer(): { line: number; text: string } | undefined {
    const { tokens, closing } = this.#module;
    const textAt = (at: number) => tokens[at]?.text ?? "";
    const isPart = (at: number) => textAt(at) === "[" || textAt(at) === ".";
    /** The index behind a token, or behind a bracket with its content: a pointer is made of a name, or of (*name). */
    const behind = (at: number) => (closing.get(at) ?? at) + 1;
    const made = [...tokens.keys()].filter(
      (at) => textAt(at) === "&" && /^[(,=]$/.test(textAt(at - 1)) && isPart(behind(at + 1)),
    );
    const at = made.find((index) => textAt(index - 1) !== "=") ?? made[0];
    if (at === undefined) return undefined;
    let end = behind(at + 1);
    while (isPart(end)) end = textAt(end) === "[" ? behind(end) : end + 2;
    const text = tokens.slice(at, end).map((token) => token.text);
    return { line: (tokens[at] as Token).line, text: text.join("") };
  }

  #comment({ text }: Token): void {
    const [first = "", ...rest] = linesOf(text);
    this.#excerpts.put(" ".repeat(Bun.stringWidth(first)), first);
    for (const line of rest) {
      this.#excerpts.endLine();
      this.#excerpts.put(" ".repeat(Bun.stringWidth(line)), line);
    }
  }
}

/** The changes of each token. `next` is called with the tokens in their order. */
class Changes {
  readonly #before = new Map<number, string>();
  readonly #text = new Map<number, string>();
  readonly #behind = new Map<number, string>();
  #at = 0;

  constructor(module: Module, declared: ReadonlyMap<string, Declaration>, provided: ReadonlyMap<string, string>) {
    const kept = keptNames(module);
    for (const [at, { kind, text }] of module.tokens.entries()) {
      if (kind !== "name" || kept.has(at)) continue;
      const prefix = declared.has(text) ? PREFIX : (provided.get(text) ?? (text === ENTRY_POINT ? PREFIX : undefined));
      if (prefix !== undefined) this.#before.set(at, prefix);
    }
    for (const { name, start, end } of attributesOf(module)) {
      // naga does not know @diagnostic, which only selects warnings.
      if (name === "diagnostic") this.#blank(module, start, end);
    }
    for (const directive of module.directives) if (directive.kind === "enable") this.#enable(module, directive);
    for (const declaration of module.declarations) {
      if (declaration.kind === "override") this.#override(module, declaration);
      if (declaration.kind === "fn") this.#return(module, declaration);
    }
  }

  /** naga refuses `enable subgroups`, and supports subgroups without it. */
  #enable(module: Module, { start, end, names }: Directive): void {
    const keeps = (text: string | undefined) => text === "enable" || text === "f16" || text === ";";
    for (let at = start; at < end; at++) {
      if (!names.includes("f16") || !keeps(module.tokens[at]?.text)) this.#blank(module, at, at + 1);
    }
  }

  #blank({ tokens }: Module, start: number, end: number): void {
    for (let at = start; at < end; at++) {
      this.#text.set(at, " ".repeat(Bun.stringWidth((tokens[at] as Token).text)));
      this.#before.delete(at);
    }
  }

  /** Adds a return of zero behind an endless loop that ends a function. */
  #return(module: Module, declaration: Declaration): void {
    const loops = endlessLoops(module, declaration);
    if (loops.length === 0) return;
    const arrow = module.closing.get(declaration.at + 1) as number;
    let type = "";
    for (let at = arrow + 2; at < declaration.body; at++) {
      type += `${this.#before.get(at) ?? ""}${module.tokens[at]?.text} `;
    }
    for (const at of loops) this.#behind.set(at, ` return ${type.trim()}();`);
  }

  /** Makes an override a constant with its default, of a concrete type: no caller sets overrides. */
  #override(module: Module, declaration: Declaration): void {
    const { tokens } = module;
    const { keyword, at, end, attributes, name } = declaration;
    const [afterName, ...value] = tokens.slice(at + 1, end - 1);
    const equals = tokens.slice(at + 1, end).findIndex(({ text }) => text === "=");
    if (equals < 0) throw new Fault(declaration, "an override without a default", name, "Give it one, or use const");
    this.#text.set(keyword, "const   ");
    for (const { name: attribute, start, end: to } of attributes) {
      if (attribute === "id") this.#blank(module, start, to);
    }
    if (afterName?.text !== ":") this.#behind.set(at, concrete(value));
  }

  next({ text }: Token): { before: string; text: string; behind: string } {
    const at = this.#at++;
    const [before = "", behind = ""] = [this.#before.get(at), this.#behind.get(at)];
    return { before, text: this.#text.get(at) ?? text, behind };
  }
}

/** The concrete type of an expression of abstract literals, as `: type`; empty for all other expressions. */
function concrete(value: readonly Token[]): string {
  const numbers = value.filter(({ kind }) => kind === "number");
  const plain = value.every(({ kind, text }) => kind === "number" || /^[-+*/%()~]$/.test(text));
  if (!plain || numbers.some(({ text }) => !/^0[xX]/.test(text) && /[iufh]$/.test(text))) return "";
  if (numbers.some(({ text }) => /^0[xX].*[iu]$|^0[xX].*[pP].*[fh]$/.test(text))) return "";
  const isFloat = numbers.some(({ text }) => (/^0[xX]/.test(text) ? /[.pP]/ : /[.eE]/).test(text));
  return isFloat ? ": f32" : ": i32";
}

/** All attributes of the module, also within functions and structs. */
function attributesOf({ tokens, closing }: Module): { name: string; start: number; end: number }[] {
  return [...tokens.entries()].flatMap(([at, { text }]) => {
    if (text !== "@") return [];
    const end = (closing.get(at + 2) ?? at + 1) + 1;
    return [{ name: tokens[at + 1]?.text ?? "", start: at, end: tokens[at + 2]?.text === "(" ? end : at + 2 }];
  });
}

/** Indices of names that no declaration at module scope gives: of members, attributes and directives. */
function keptNames(module: Module): Set<number> {
  const { tokens, declarations, directives } = module;
  const kept = new Set<number>();
  const keep = (from: number, to: number) => {
    for (let at = from; at < to; at++) kept.add(at);
  };
  for (const { start, end } of directives) keep(start, end);
  for (const [at, { text }] of tokens.entries()) if (text === ".") kept.add(at + 1);
  for (const { name, start, end } of attributesOf(module)) keep(start, WITH_WORDS.has(name) ? end : start + 2);
  for (const { kind, start, end } of declarations) {
    if (kind !== "struct") continue;
    // Within a struct, a colon follows only the names of members.
    for (let at = start; at < end; at++) if (tokens[at + 1]?.text === ":") kept.add(at);
  }
  return kept;
}

function check({ tokens, declarations }: Module): void {
  const resource = (at: Position, text: string) => new Fault(at, "a resource of its own", text, BUFFERS);
  for (const declaration of declarations) {
    const { kind, attributes, space, name } = declaration;
    for (const attribute of attributes) {
      const text = `@${attribute.name}`;
      if (kind === "var") throw resource(attribute, text);
      if (kind === "fn" && !FUNCTION_ATTRIBUTES.has(attribute.name)) {
        throw new Fault(attribute, "an entry point, or a part of one", text, "The library adds the entry point");
      }
    }
    if (kind !== "var" || SPACES.has(space)) continue;
    throw resource(declaration, space === "" ? name : `var<${space}> ${name}`);
  }
  for (const [at, token] of tokens.entries()) {
    const { kind, text } = token;
    const attribute = text === "@" ? tokens[at + 1]?.text : undefined;
    if (attribute === "group" || attribute === "binding") throw resource(token, `@${attribute}`);
    if (kind !== "name" || !LIBRARY.test(text)) continue;
    throw new Fault(token, "a name of the library's own", text, "Choose names that do not begin with lf_, Lf or LF_");
  }
}

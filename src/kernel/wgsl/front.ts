/**
 * What stands between a user's WGSL and naga. The user's part and the library's are one module, in which neither can reach the
 * other's declarations: each name that the user declares gets a prefix that no user can write.
 */
import { type Declaration, type Directive, type Module, moduleOf } from "./declarations.ts";
import { endlessLoops } from "./endless.ts";
import { Excerpts } from "./excerpts.ts";
import { type Extension, enabledBy, type Target } from "./extensions.ts";
import { Fault, linesOf, type Place, type Token, tokensOf } from "./lexer.ts";
import { locate } from "./locate.ts";

/** Of each name that the user's part declares. */
export const PREFIX = "lf_u_";
/** Of the built-in functions that the library has. */
export const BUILT_IN = "lf_b_";
/** Of what structs of the kernel give the user's part. */
export const OF_STRUCTS = "lf_s_";
/** The user's name of what naga is given with one of these; a local variable may have any. */
export const ownName = (given: string): string => given.replace(/^lf_[ubs]_/, "");

/** The library's only name that begins as a user's may, and is not for users. */
const ENTRY_POINT = "main";
/** Names that are the library's own. */
const LIBRARY = /^(?:lf_|Lf|LF_)/;
const SPACES = new Set(["private", "workgroup"]);
const FUNCTION_ATTRIBUTES = new Set(["must_use", "diagnostic"]);
/** Attributes with words of their own in their brackets. */
const WITH_WORDS = new Set(["builtin", "interpolate", "diagnostic", "blend_src"]);
const BUFFERS = "Use payload, state, set_reply and the like: there are no buffers";

export interface FrontOptions {
  /**
   * Names that the library has for a user's part, unless that declares them itself, and the prefix of each: of structs, and of
   * built-in functions that naga translates to what devices are not opened with.
   */
  readonly provided: ReadonlyMap<string, string>;
  /** Extensions that such a part may enable, where the device has them. */
  readonly extensions: readonly Extension[];
  readonly target: Target;
}

/** A user's part, ready for naga. */
export class Front {
  /** As many lines as the user's, each with the same tokens: comments are blanks. */
  readonly text: string;
  readonly lines: number;
  /** Those of the provided names that it has. */
  readonly used: ReadonlySet<string>;
  /** Extensions that it enables. */
  readonly enabled: ReadonlySet<string>;
  readonly #module: Module;
  readonly #declared = new Map<string, Declaration>();
  readonly #excerpts = new Excerpts();

  /** Fault for what a user's part may not have. */
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

  /** The module's declaration of this name. */
  declaration(name: string): Declaration | undefined {
    return this.#declared.get(name);
  }

  /** The lines of its module variables, by the names that naga is given for them. */
  variables(): Map<string, number> {
    const variables = this.#module.declarations.filter(({ kind }) => kind === "var");
    return new Map(variables.map(({ name, line }) => [PREFIX + name, line]));
  }

  /** Where a variable is declared: one of the function `of`, or of the module. Both by the names that naga is given. */
  lineOfVariable(variable: string, of?: string): number | undefined {
    const { declarations, tokens } = this.#module;
    const body = declarations.find(({ kind, name }) => kind === "fn" && PREFIX + name === of);
    const own = ownName(variable);
    const isHere = (token: Token, at: number) => token.text === own && tokens[at - 1]?.text === "var";
    const within = body ? tokens.slice(body.start, body.end) : [];
    const found = within.find((token, at) => isHere(token, body ? body.start + at : at));
    return found?.line ?? this.variables().get(variable);
  }

  /** The line of what naga refuses without saying where; `isRefused` is asked of smaller parts. */
  locate(isRefused: (part: string) => Promise<boolean>): Promise<number | undefined> {
    return locate(this.#module, isRefused);
  }

  /** naga's words, with the user's names, lines and columns. */
  explain(formatted: string): string {
    return this.#excerpts.explain(formatted);
  }

  /** The line in which naga's report begins; 0 where it names none. */
  lineOf(formatted: string): number {
    return Number(/wgsl:(\d+):/.exec(formatted)?.[1] ?? 0);
  }

  /** The first name that is like this, and no member. */
  find(pattern: RegExp): Token | undefined {
    const { tokens } = this.#module;
    return tokens.find(({ kind, text }, at) => kind === "name" && pattern.test(text) && tokens[at - 1]?.text !== ".");
  }

  /** The line of what naga goes deepest into: the most brackets around it, or the longest statement. */
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

  /** Where a pointer to an element or a member is made, as an argument before others. */
  elementPointer(): { line: number; text: string } | undefined {
    const { tokens, closing } = this.#module;
    const textAt = (at: number) => tokens[at]?.text ?? "";
    const isPart = (at: number) => textAt(at) === "[" || textAt(at) === ".";
    /** What is pointed to begins with a name, or with (*name). */
    const behind = (at: number) => (closing.get(at) ?? at) + 1;
    const made = [...tokens.keys()].filter(
      (at) => textAt(at) === "&" && /^[(,=]$/.test(textAt(at - 1)) && isPart(behind(at + 1)),
    );
    const at = made.find((place) => textAt(place - 1) !== "=") ?? made[0];
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

/** What becomes of each token; they are asked for in their order. */
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
      // It says which warnings there are, and naga does not know it.
      if (name === "diagnostic") this.#blank(module, start, end);
    }
    for (const directive of module.directives) if (directive.kind === "enable") this.#enable(module, directive);
    for (const declaration of module.declarations) {
      if (declaration.kind === "override") this.#override(module, declaration);
      if (declaration.kind === "fn") this.#return(module, declaration);
    }
  }

  /** naga needs no word of subgroups, and refuses it. */
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

  /** A function that ends with an endless loop gives a zero behind it. */
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

  /** An override that nobody sets is a constant with its default, of a type that is not abstract. */
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

/** The type that a value of literals has once it is not abstract, as `: type`; nothing where the value has more in it. */
function concrete(value: readonly Token[]): string {
  const numbers = value.filter(({ kind }) => kind === "number");
  const plain = value.every(({ kind, text }) => kind === "number" || /^[-+*/%()~]$/.test(text));
  if (!plain || numbers.some(({ text }) => !/^0[xX]/.test(text) && /[iufh]$/.test(text))) return "";
  if (numbers.some(({ text }) => /^0[xX].*[iu]$|^0[xX].*[pP].*[fh]$/.test(text))) return "";
  const isFloat = numbers.some(({ text }) => (/^0[xX]/.test(text) ? /[.pP]/ : /[.eE]/).test(text));
  return isFloat ? ": f32" : ": i32";
}

/** All attributes, wherever they stand. */
function attributesOf({ tokens, closing }: Module): { name: string; start: number; end: number }[] {
  return [...tokens.entries()].flatMap(([at, { text }]) => {
    if (text !== "@") return [];
    const end = (closing.get(at + 2) ?? at + 1) + 1;
    return [{ name: tokens[at + 1]?.text ?? "", start: at, end: tokens[at + 2]?.text === "(" ? end : at + 2 }];
  });
}

/** Names that are no module's: members, attributes and the words of some of them, and those of directives. */
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
    // Within a struct there is a colon behind names of members only.
    for (let at = start; at < end; at++) if (tokens[at + 1]?.text === ":") kept.add(at);
  }
  return kept;
}

function check({ tokens, declarations }: Module): void {
  const resource = (place: Place, text: string) => new Fault(place, "a resource of its own", text, BUFFERS);
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

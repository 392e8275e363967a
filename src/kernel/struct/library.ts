/** What the structs of a kernel give its body, in the library's part: a body's own declarations can't reach it. */
import { invalidArgument } from "../../errors.ts";
import { OF_STRUCTS } from "../wgsl/front.ts";
import { KEYWORDS, RESERVED } from "../wgsl/words.ts";
import { layoutOf } from "./layout.ts";
import type { Member, Struct } from "./struct.ts";
import { type Accessor, accessors, declaration, type StructLayout } from "./wgsl.ts";

/** Of the library's, which every body names. */
const MESSAGE = "Message";

export class StructLibrary {
  /** All of it: what tells it from another one. */
  readonly text: string;
  /** What a body may name, without the prefix. */
  readonly names: ReadonlySet<string>;
  readonly #declarations: readonly string[];
  /** Each after those that it calls. */
  readonly #accessors: readonly Accessor[];

  /** INVALID_ARGUMENT where two of the structs, or of those in them, declare one name. */
  constructor(structs: readonly Struct[]) {
    const all = withInner(structs);
    const layouts = all.map((each) => [each.name, layoutOf(each, each.name) as StructLayout] as const);
    this.#declarations = layouts.map(([name, layout]) => declaration(name, layout, OF_STRUCTS));
    this.#accessors = layouts.flatMap(([name, layout]) => accessors(name, layout, OF_STRUCTS));
    const names = new Set<string>();
    const declared = this.#declarations.join("\n").matchAll(/^(?:struct|const) lf_s_(\w+)/gm);
    for (const name of [...declared].map(([, each = ""]) => each).concat(this.#accessors.map(({ name }) => name))) {
      if (names.has(name))
        throw invalidArgument("a name that structs give a body", name, "one that no two of them give");
      names.add(name);
    }
    this.names = names;
    this.text = [...this.#declarations, ...this.#accessors.map(({ text }) => text)].join("\n");
  }

  /** The declarations, and those functions that the body names, with what they call: devices compile no others. */
  of(named: ReadonlySet<string>): string {
    const needed: string[] = [];
    let calls = "";
    for (const { name, text } of this.#accessors.toReversed()) {
      if (!(named.has(name) || calls.includes(`${OF_STRUCTS}${name}(`))) continue;
      needed.unshift(text);
      calls += text;
    }
    return [...this.#declarations, ...needed].join("\n");
  }

  /** The functions, as they are called in the text. */
  get functions(): string[] {
    return this.#accessors.map(({ name }) => OF_STRUCTS + name);
  }
}

/** INVALID_ARGUMENT for what WGSL can't have as a name. */
export function checkForWgsl(structs: readonly Struct[]): void {
  for (const { name, members } of withInner(structs)) {
    if (name === MESSAGE) throw invalidArgument("a struct's name", name, "another one: bodies have that struct");
    checkWord("a struct's name", name);
    for (const member of Object.keys(members)) checkWord(`a member of ${name}`, member);
  }
}

function checkWord(what: string, word: string): void {
  if (KEYWORDS.has(word) || RESERVED.has(word)) throw invalidArgument(what, word, "a name that WGSL does not reserve");
}

/** The structs and those in them, each after those that it has. INVALID_ARGUMENT where two of one name differ. */
function withInner(structs: readonly Struct[]): Struct[] {
  const all = new Map<string, Struct>();
  const add = (each: Struct): void => {
    for (const member of Object.values(each.members)) inside(member, add);
    const known = all.get(each.name);
    if (known !== undefined && known.wgsl !== each.wgsl)
      throw invalidArgument("a struct's name", each.name, "one that no other struct of the kernel has");
    all.set(each.name, each);
  };
  for (const each of structs) add(each);
  return [...all.values()];
}

function inside(member: Member, found: (struct: Struct) => void): void {
  if (typeof member === "string") return;
  if ("element" in member) inside(member.element, found);
  else found(member);
}

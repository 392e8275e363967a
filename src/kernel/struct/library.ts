/**
 * The WGSL of a kernel's structs. Its names have a prefix, so that a body's own declarations can't collide with them.
 */
import { invalidArgument } from "../../errors.ts";
import { OF_STRUCTS } from "../wgsl/front.ts";
import { KEYWORDS, RESERVED } from "../wgsl/words.ts";
import { layoutOf } from "./layout.ts";
import type { Member, Struct } from "./struct.ts";
import { type Accessor, accessors, declaration, type StructLayout } from "./wgsl.ts";

/** The library's struct, which every body names. */
const MESSAGE = "Message";

export class StructLibrary {
  /** The whole WGSL: two libraries are equal where their texts are. */
  readonly text: string;
  /** The names that a body may use, without the prefix. */
  readonly names: ReadonlySet<string>;
  readonly #declarations: readonly string[];
  /** Each function stands after the functions that it calls. */
  readonly #accessors: readonly Accessor[];

  /** Throws INVALID_ARGUMENT where two of the structs, or of their inner structs, declare the same name. */
  constructor(structs: readonly Struct[]) {
    const all = withInner(structs);
    const layouts = all.map((each) => [each.name, layoutOf(each, each.name) as StructLayout] as const);
    this.#declarations = layouts.map(([name, layout]) => declaration(name, layout, OF_STRUCTS));
    this.#accessors = layouts.flatMap(([name, layout]) => accessors(name, layout, OF_STRUCTS));
    const names = new Set<string>();
    const declared = this.#declarations.join("\n").matchAll(/^(?:struct|const) lf_s_(\w+)/gm);
    for (const name of [...declared].map(([, each = ""]) => each).concat(this.#accessors.map(({ name }) => name))) {
      if (names.has(name))
        throw invalidArgument("a name that structs declare", name, "a name that only one of them declares");
      names.add(name);
    }
    this.names = names;
    this.text = [...this.#declarations, ...this.#accessors.map(({ text }) => text)].join("\n");
  }

  /** The declarations, the functions that the body names, and the functions that those call. */
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

  /** The functions' names in the text, with the prefix. */
  get functions(): string[] {
    return this.#accessors.map(({ name }) => OF_STRUCTS + name);
  }
}

/** Throws INVALID_ARGUMENT where WGSL can't have a struct's or a member's name. */
export function checkForWgsl(structs: readonly Struct[]): void {
  for (const { name, members } of withInner(structs)) {
    if (name === MESSAGE) throw invalidArgument("a struct's name", name, "another name: the library has that struct");
    checkWord("a struct's name", name);
    for (const member of Object.keys(members)) checkWord(`a member of ${name}`, member);
  }
}

function checkWord(what: string, word: string): void {
  if (KEYWORDS.has(word) || RESERVED.has(word)) throw invalidArgument(what, word, "a name that WGSL does not reserve");
}

/** The structs and their inner structs, inner ones first. Throws INVALID_ARGUMENT where two of one name differ. */
function withInner(structs: readonly Struct[]): Struct[] {
  const all = new Map<string, Struct>();
  const add = (each: Struct): void => {
    for (const member of Object.values(each.members)) inside(member, add);
    const known = all.get(each.name);
    if (known !== undefined && known.wgsl !== each.wgsl)
      throw invalidArgument("a struct's name", each.name, "a name that no other struct of the kernel has");
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

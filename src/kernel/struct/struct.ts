/**
 * Layouts of messages and states, declared once: for the WGSL declaration, for the functions by which a body reads and
 * writes a value, and for packing in TypeScript. Offsets follow the WGSL specification, "Alignment and Size" (14.4.1)
 * and "Structure Member Layout" (14.4.2).
 */
import { invalidArgument } from "../../errors.ts";
import { bytesOf } from "../../memory/bytes.ts";
import { checkNumber, type Layout, layoutOf, type Numbers, read, write } from "./layout.ts";
import { accessors, declaration } from "./wgsl.ts";

/** The WGSL scalars that a struct may have, 4 bytes each. */
export type Scalar = "u32" | "i32" | "f32";
/** The WGSL vectors that a struct may have, by both of their WGSL names. */
export type Vector = `vec${2 | 3 | 4}<${Scalar}>` | `vec${2 | 3 | 4}${"u" | "i" | "f"}`;

/** `array<element, count>` of WGSL. */
export interface ArrayOf<Element extends Member = Member> {
  readonly element: Element;
  readonly count: number;
}

/** The type of a member of a struct. */
// biome-ignore lint/suspicious/noExplicitAny: a struct of any members; with Members here the type would contain itself
export type Member = Scalar | Vector | ArrayOf<any> | Struct<any>;
/** The members of a struct by name, in the order of their layout. */
export type Members = Readonly<Record<string, Member>>;

/** The numbers of a vector as a tuple. */
export type TupleOf<M> = M extends `vec2${string}`
  ? [number, number]
  : M extends `vec3${string}`
    ? [number, number, number]
    : [number, number, number, number];

/**
 * The value of a member: a number, a tuple for a vector, a typed array for an array of numbers, an object for a struct.
 */
export type StructValue<M> = M extends Scalar
  ? number
  : M extends Vector
    ? TupleOf<M>
    : M extends ArrayOf<infer Element>
      ? Element extends Scalar
        ? Numbers<Element>
        : StructValue<Element>[]
      : M extends Struct<infer Of>
        ? { -readonly [Name in keyof Of]: StructValue<Of[Name]> }
        : never;

/** The values that a member accepts: for vectors and arrays any list of the right length. */
export type StructInit<M> = M extends Scalar
  ? number
  : M extends Vector
    ? Readonly<TupleOf<M>> | Uint32Array | Int32Array | Float32Array
    : M extends ArrayOf<infer Element>
      ? ArrayLike<StructInit<Element>>
      : M extends Struct<infer Of>
        ? { readonly [Name in keyof Of]: StructInit<Of[Name]> }
        : never;

const IDENTIFIER = /^(?!_$|__)[A-Za-z_]\w*$/;

/** A struct as it is sent to a Worker: structured clone drops its class. */
export interface StructDefinition {
  readonly name: string;
  readonly members: Members;
}

export class Struct<Of extends Members = Members> implements StructDefinition {
  readonly name: string;
  readonly members: Of;
  /** Bytes, as WGSL's SizeOf and AlignOf say. */
  readonly size: number;
  readonly align: number;
  readonly #layout: Layout & { kind: "struct" };

  constructor(name: string, members: Of) {
    if (typeof name !== "string" || !IDENTIFIER.test(name))
      throw invalidArgument("name", name, "an identifier of WGSL");
    if (typeof members !== "object" || members === null || Object.keys(members).length === 0)
      throw invalidArgument(`the members of ${name}`, members, '{ name: "u32", ... }');
    for (const member of Object.keys(members)) {
      if (!IDENTIFIER.test(member)) throw invalidArgument(`a member of ${name}`, member, "an identifier of WGSL");
    }
    this.name = name;
    this.members = Object.freeze({ ...members });
    this.#layout = layoutOf(this, name) as Layout & { kind: "struct" };
    this.size = this.#layout.size;
    this.align = this.#layout.align;
  }

  /** The offset of a member, bytes. Throws INVALID_ARGUMENT where the struct has no member of this name. */
  offset(member: keyof Of & string): number {
    const found = this.#layout.fields.find(({ name }) => name === member);
    if (found) return found.at;
    throw invalidArgument(`a member of ${this.name}`, member, this.#layout.fields.map(({ name }) => name).join(", "));
  }

  /** The bytes of a value; padding is 0. Throws INVALID_ARGUMENT with the member's path. */
  pack(value: StructInit<Struct<Of>>): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.size);
    write(this.#layout, new DataView(bytes.buffer), 0, value, this.name);
    return bytes;
  }

  /** Writes a value into `into` from byte `at` on. Throws INVALID_ARGUMENT; the members before it are written then. */
  write(value: StructInit<Struct<Of>>, into: ArrayBufferView | ArrayBufferLike, at = 0): void {
    const bytes = this.#bytes("into", into, at);
    bytes.fill(0);
    write(this.#layout, new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0, value, this.name);
  }

  /** A copy of the value that begins at byte `at`. Throws INVALID_ARGUMENT where there are fewer bytes than it has. */
  unpack(from: ArrayBufferView | ArrayBufferLike, at = 0): StructValue<Struct<Of>> {
    const bytes = this.#bytes("the payload", from, at);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return read(this.#layout, view, 0) as StructValue<Struct<Of>>;
  }

  /**
   * The struct in WGSL: the declaration; `Name_SIZE` in bytes and `Name_WORDS`; `Name_member_WORD`, the word at which a
   * member begins; `payload_Name(i)`, `state_Name(i)`, `set_state_Name(i, value)`, `set_reply_Name(i, value)` and
   * `set_out_Name(i, value)`, where i is the first word of the value. `launch` gives them to a body, with those of
   * inner structs.
   */
  get wgsl(): string {
    const functions = accessors(this.name, this.#layout).map(({ text }) => text);
    return [declaration(this.name, this.#layout), ...functions].join("\n");
  }

  #bytes(name: string, memory: ArrayBufferView | ArrayBufferLike, at: number): Uint8Array {
    const bytes = bytesOf(name, memory);
    checkNumber("at", at, 0, bytes.byteLength);
    if (at + this.size <= bytes.byteLength) return bytes.subarray(at, at + this.size);
    const what = at === 0 ? `${name}'s size` : `${name}'s size from byte ${at} on`;
    throw invalidArgument(what, bytes.byteLength - at, `at least ${this.size}, the bytes of a ${this.name}`);
  }
}

/**
 * `struct name { … }` of WGSL: its members are "u32", "i32", "f32", vectors ("vec3<f32>" or "vec3f"), arrays and
 * structs.
 */
export function struct<const Of extends Members>(name: string, members: Of): Struct<Of> {
  return new Struct(name, members);
}

/** `array<element, count>` of WGSL, for a member. Throws INVALID_ARGUMENT. */
export function array<const Element extends Member>(element: Element, count: number): ArrayOf<Element> {
  checkNumber("count", count, 1, 2 ** 24);
  return Object.freeze({ element, count });
}

/** The struct of a definition that a Worker received. */
export function revive({ name, members }: StructDefinition): Struct {
  return struct(name, Object.fromEntries(Object.entries(members).map(([each, member]) => [each, revived(member)])));
}

function revived(member: Member): Member {
  if (typeof member === "string") return member;
  if ("element" in member) return array(revived(member.element), member.count);
  return revive(member);
}

/** The definition to send to a Worker: plain objects and strings only. */
export function definitionOf({ name, members }: StructDefinition): StructDefinition {
  const plain = Object.entries(members).map(([each, member]) => [each, plainOf(member)] as const);
  return { name, members: Object.fromEntries(plain) };
}

function plainOf(member: Member): Member {
  if (typeof member === "string") return member;
  if ("element" in member) return { element: plainOf(member.element), count: member.count };
  return definitionOf(member) as Struct;
}

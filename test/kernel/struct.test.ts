/** Layouts of structs in TypeScript and WGSL: compared with the specification, with naga, and with a body on a GPU. */
import { describe, expect, test } from "bun:test";
import {
  type ArrayOf,
  array,
  type Kernel,
  KernelRuntime,
  type Member,
  type Members,
  Struct,
  type StructInit,
  type StructValue,
  struct,
} from "../../src/kernel/index.ts";
import { toSpirv } from "../../src/kernel/shader/shader.ts";
import { failure, random } from "../channel/support.ts";
import { device, vulkan } from "../gpu/support.ts";

/** A software GPU compiles a kernel in seconds. */
const COMPILES = 300_000;

const Inner = struct("Inner", { a: "vec3f", b: "f32", c: "vec2<i32>" });
const Outer = struct("Outer", { n: "u32", inner: Inner, list: array("vec3u", 2), all: array(Inner, 2), last: "i32" });

describe("types", () => {
  type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
  const same = <A, B>(_: Same<A, B>) => {};
  type V2 = [number, number];
  type V3 = [number, number, number];

  test("are inferred from the declaration", async () => {
    type InnerValue = { a: V3; b: number; c: V2 };
    same<StructValue<typeof Inner>, InnerValue>(true);
    same<StructValue<typeof Outer>["list"], V3[]>(true);
    same<StructValue<typeof Outer>["all"], InnerValue[]>(true);
    same<StructValue<ArrayOf<"f32">>, Float32Array>(true);
    same<StructValue<ArrayOf<"u32">>, Uint32Array>(true);
    await using runtime = await KernelRuntime.create({ backend: "cpu" });
    const kernel = await runtime.launch("k", {
      request: Inner,
      reply: struct("Sum", { sum: "f32" }),
      source: {
        handler: ({ payload }) => {
          same<typeof payload, InnerValue>(true);
          return { sum: payload.a[0] + payload.b + payload.c[1] };
        },
      },
    });
    await kernel.activate();
    const { payload } = await kernel.call({ payload: { a: [1, 2, 3], b: 4, c: Int32Array.of(5, 6) } });
    same<typeof payload, { sum: number }>(true);
    expect(payload.sum).toBe(11);
    // @ts-expect-error: b is missing
    const incomplete: StructInit<typeof Inner> = { a: [1, 2, 3], c: [1, 2] };
    // @ts-expect-error: a has three numbers
    const short: StructInit<typeof Inner> = { a: [1, 2], b: 1, c: [1, 2] };
    for (const wrong of [incomplete, short]) await failure("INVALID_ARGUMENT", () => Inner.pack(wrong));
    // @ts-expect-error: there is no such type
    await failure("INVALID_ARGUMENT", () => struct("Wrong", { a: "f64" }));
    // Without structs payloads are bytes.
    const plain: Kernel = await runtime.launch("plain", { source: { handler: ({ payload }) => payload.subarray(1) } });
    expect(plain.state).toBe("launched");
  });
});

describe("offsets", () => {
  test("are those of the specification's tables", () => {
    expect([Inner.align, Inner.size, Inner.offset("a"), Inner.offset("b"), Inner.offset("c")]).toEqual([
      16, 32, 0, 12, 16,
    ]);
    expect(["n", "inner", "list", "all", "last"].map((name) => Outer.offset(name as "n"))).toEqual([
      0, 16, 48, 80, 144,
    ]);
    expect([Outer.align, Outer.size]).toEqual([16, 160]);
    // The example of "Structure Member Layout": https://www.w3.org/TR/WGSL/#structure-member-layout
    const A = struct("A", { u: "f32", v: "f32", w: "vec2f", x: "f32" });
    const B = struct("B", { a: "vec2f", b: "vec3f", c: "f32", d: "f32", e: A, f: "vec3f", g: array(A, 3), h: "i32" });
    expect([A.align, A.size]).toEqual([8, 24]);
    expect(Object.keys(B.members).map((name) => B.offset(name as "a"))).toEqual([0, 16, 28, 32, 40, 64, 80, 152]);
    expect([B.align, B.size]).toEqual([16, 160]);
  });

  test("are those that naga gives random structs", async () => {
    const next = random(41);
    for (let i = 0; i < 60; i++) {
      const made = randomStruct(next, `S${i}`);
      const spirv = await toSpirv(
        `${declarations(made)}\n@group(0) @binding(0) var<storage, read_write> all: array<${made.name}>;
         @compute @workgroup_size(1) fn main() { all[1] = all[0]; }`,
        made.name,
      );
      const sizes = decorated(spirv);
      for (const each of [made, ...within(made)]) {
        expect(sizes.offsets).toContainEqual(Object.keys(each.members).map((name) => each.offset(name)));
      }
      expect(sizes.strides).toContain(made.size);
    }
  });
});

describe("values", () => {
  test("read as they were written, also in a view and behind other bytes", () => {
    const next = random(7);
    for (let i = 0; i < 200; i++) {
      const made = randomStruct(next, `S${i}`);
      const value = randomValue(made, next) as never;
      const bytes = made.pack(value);
      expect(bytes.byteLength).toBe(made.size);
      expect(made.unpack(bytes)).toEqual(value);
      const around = new Uint8Array(made.size + 7).fill(0xaa);
      made.write(value, new DataView(around.buffer, 1), 2);
      expect(around.subarray(3, 3 + made.size)).toEqual(bytes);
      expect([...around.subarray(0, 3), ...around.subarray(3 + made.size)]).toEqual(Array(7).fill(0xaa));
      expect(made.unpack(around.buffer, 3)).toEqual(value);
    }
  });

  test("that are invalid are refused with the member's path", async () => {
    for (const [name, members] of [
      ["a b", { a: "u32" }],
      ["_", { a: "u32" }],
      ["A", {}],
      ["A", { "1": "u32" }],
      ["A", { a: "vec5<f32>" }],
      ["A", { a: "u" }],
      ["A", { a: { element: "u32", count: 0 } }],
      ["A", { a: { element: "u32", count: 2 ** 25 } }],
      ["A", { a: null }],
      ["A", null],
    ] as const) {
      await failure("INVALID_ARGUMENT", () => new Struct(name, members as never));
    }
    await failure("INVALID_ARGUMENT", () => array("u32", 1.5));
    await failure("INVALID_ARGUMENT", () => Inner.offset("d" as "a"));
    await failure("INVALID_ARGUMENT", () => Inner.unpack(new Uint8Array(31)));
    await failure("INVALID_ARGUMENT", () => Inner.unpack(new Uint8Array(64), 33));
    await failure("INVALID_ARGUMENT", () => Inner.write({ a: [1, 2, 3], b: 4, c: [5, 6] }, new Uint8Array(31)));
    await using runtime = await KernelRuntime.create({ backend: "cpu" });
    const twice = [struct("Same", { a: "u32" }), struct("Same", { a: "i32" })];
    const launch = () => runtime.launch("k", { source: { wgsl: "", handler: () => {} }, structs: twice });
    expect((await failure("INVALID_ARGUMENT", launch)).message).toContain("Same");
  });

  test("two structs that declare the same name are refused with the name", async () => {
    await using runtime = await KernelRuntime.create({ backend: "cpu" });
    const structs = [struct("A", { b_c: "u32" }), struct("A_b", { c: "u32" })];
    const launch = () => runtime.launch("k", { source: { handler: () => {} }, structs });
    expect((await failure("INVALID_ARGUMENT", launch)).message).toContain('"A_b_c_WORD"');
  });
});

describe.skipIf(!vulkan)("on a GPU", () => {
  test(
    "a body and TypeScript read each other's random structs",
    async () => {
      await using runtime = await KernelRuntime.create({ backend: "vulkan", device });
      const next = random(2026);
      for (let i = 0; i < 6; i++) {
        const made = randomStruct(next, `S${i}`);
        const leaves = leavesOf(made, "value");
        const payloadBytes = Math.max(4 * leaves.length, made.size);
        const read = leaves.map(
          ({ path, type }, n) => `set_reply(${n}u, ${type === "u32" ? path : `bitcast<u32>(${path})`});`,
        );
        const write = leaves.map(({ path, type }, n) => `${path} = bitcast<${type}>(payload(${n}u));`);
        const wgsl = `fn on_message(message: Message) {
          var value: ${made.name};
          if (message.kind == 0u) {
            value = payload_${made.name}(0u);
            set_state_${made.name}(1u, value);
            value = state_${made.name}(1u);
            ${read.join("\n")}
            reply(${4 * leaves.length}u);
          } else {
            ${write.join("\n")}
            set_reply_${made.name}(0u, value);
            reply(${made.name}_SIZE);
          }
        }`;
        const kernel = await runtime.launch(`k${i}`, {
          source: { wgsl },
          structs: [made],
          payloadBytes,
          stateBytes: 4 + made.size,
        });
        await kernel.activate();
        const value = randomValue(made, next) as never;
        const { payload: numbers } = await kernel.call({ payload: made.pack(value) });
        const expected = new Uint8Array(4 * leaves.length);
        for (const [n, { type, of }] of leaves.entries()) put(expected, 4 * n, type, of(value));
        expect(numbers).toEqual(expected);
        // The memory has other bytes before: the padding becomes 0.
        const { payload: whole } = await kernel.call({ payload: expected, type: 1 });
        expect(whole).toEqual(made.pack(value));
        expect(made.unpack(whole)).toEqual(value);
        await kernel.terminate();
      }
    },
    COMPILES,
  );

  test(
    "structs in the state and in sent messages",
    async () => {
      await using runtime = await KernelRuntime.create({ backend: "vulkan", device });
      const Total = struct("Total", { sum: "vec3f", count: "u32" });
      const Point = struct("Point", { at: "vec3f" });
      const sum = await runtime.launch("sum", {
        request: Point,
        reply: Total,
        source: {
          wgsl: `fn on_message(message: Message) {
          var total = state_Total(0u);
          total.sum += payload_Point(0u).at;
          total.count++;
          set_state_Total(0u, total);
          set_reply_Total(0u, total);
          reply(Total_SIZE);
        }`,
        },
      });
      await sum.activate();
      const twice = await runtime.launch("twice", {
        request: Point,
        routes: ["sum"],
        source: {
          wgsl: `fn on_message(message: Message) {
          set_out_Point(0u, Point(2.0 * payload_Point(0u).at));
          _ = send_to(0u, Point_SIZE);
        }`,
        },
      });
      await twice.activate();
      await sum.call({ payload: { at: [1, 2, 3] } });
      await twice.send({ payload: { at: [10, 20, 30] } });
      expect((await sum.receive()).payload).toEqual({ sum: [21, 42, 63], count: 2 });
    },
    COMPILES,
  );

  test(
    "several invocations change members of a struct in the state at the same time",
    async () => {
      await using runtime = await KernelRuntime.create({ backend: "vulkan", device });
      const Bin = struct("Bin", { total: "u32", least: "i32" });
      const Bins = struct("Bins", { name: "vec3f", count: "u32", each: array("u32", 3), last: Bin });
      const bins = await runtime.launch("bins", {
        reply: Bins,
        workgroupSize: 8,
        source: {
          wgsl: `fn on_message(message: Message) {
          let value = payload(message.thread);
          _ = state_atomic_add(2u + Bins_count_WORD, 1u);
          _ = state_atomic_add(2u + Bins_each_WORD + value % 3u, 1u);
          _ = state_atomic_add(2u + Bins_last_WORD + Bin_total_WORD, value);
          _ = state_atomic_min_i32(2u + Bins_last_WORD + Bin_least_WORD, -i32(value));
          storageBarrier();
          if (message.thread != 0u) { return; }
          set_reply_Bins(0u, state_Bins(2u));
          reply(Bins_SIZE);
        }`,
        },
      });
      await bins.activate();
      await bins.call({ payload: Uint32Array.of(1, 2, 3, 4, 5, 6, 7, 8) });
      const { payload } = await bins.call({ payload: Uint32Array.of(3, 3, 3, 30, 3, 3, 3, 3) });
      const last = { total: 36 + 51, least: -30 };
      expect(payload).toEqual({ name: [0, 0, 0], count: 16, each: Uint32Array.of(10, 3, 3), last });
    },
    COMPILES,
  );
});

// ───────────── random structs ─────────────

const pick = <T>(next: () => number, from: readonly T[]): T => from[Math.floor(next() * from.length)] as T;

function randomStruct(next: () => number, name: string, depth = 0): Struct {
  let inner = 0;
  const member = (level: number): Member => {
    const kind = next();
    if (kind < 0.35 || level > 2) return pick(next, ["u32", "i32", "f32"]);
    if (kind < 0.7) return `vec${pick(next, [2, 3, 4] as const)}<${pick(next, ["u32", "i32", "f32"] as const)}>`;
    if (kind < 0.85) return array(member(level + 1), 1 + Math.floor(next() * 3));
    return randomStruct(next, `${name}_${inner++}`, level + 1);
  };
  const count = 1 + Math.floor(next() * (depth === 0 ? 6 : 3));
  const members: Record<string, Member> = {};
  for (let i = 0; i < count; i++) members[`m${i}`] = member(depth);
  return struct(name, members as Members);
}

const BITS = new DataView(new ArrayBuffer(4));
function randomValue(member: Member, next: () => number): unknown {
  if (typeof member === "object" && "members" in member) {
    return Object.fromEntries(
      Object.entries(member.members as Members).map(([name, of]) => [name, randomValue(of, next)]),
    );
  }
  if (typeof member === "object") {
    const list = Array.from({ length: member.count }, () => randomValue(member.element, next));
    if (member.element === "u32") return Uint32Array.from(list as number[]);
    if (member.element === "i32") return Int32Array.from(list as number[]);
    return member.element === "f32" ? Float32Array.from(list as number[]) : list;
  }
  if (member.startsWith("vec"))
    return Array.from({ length: Number(member[3]) }, () => randomValue(scalarOf(member), next));
  BITS.setUint32(0, next() * 2 ** 32);
  // Whole numbers only: a GPU may change the bits of a NaN, and may flush denormals to 0.
  return member === "u32" ? BITS.getUint32(0) : member === "i32" ? BITS.getInt32(0) : BITS.getInt16(0);
}

const scalarOf = (type: string) => type.slice(5, 8) as "u32" | "i32" | "f32";

interface Leaf {
  path: string;
  type: "u32" | "i32" | "f32";
  of(value: unknown): number;
}

function leavesOf(member: Member, path: string): Leaf[] {
  const under = (of: Member, key: string | number, suffix: string) =>
    leavesOf(of, path + suffix).map((leaf) => ({ ...leaf, of: (value: unknown) => leaf.of((value as never)[key]) }));
  if (typeof member === "object" && "members" in member)
    return Object.entries(member.members as Members).flatMap(([name, of]) => under(of, name, `.${name}`));
  if (typeof member === "object")
    return Array.from({ length: member.count }, (_, i) => under(member.element, i, `[${i}]`)).flat();
  if (member.startsWith("vec"))
    return Array.from({ length: Number(member[3]) }, (_, i) => under(scalarOf(member), i, `.${"xyzw"[i]}`)).flat();
  return [{ path, type: member as "u32", of: (value) => value as number }];
}

function put(bytes: Uint8Array, at: number, type: Leaf["type"], value: number): void {
  const view = new DataView(bytes.buffer);
  if (type === "f32") view.setFloat32(at, value, true);
  else view.setUint32(at, value, true);
}

/** A struct and its inner structs. */
function within(member: Member): Struct[] {
  if (typeof member === "string") return [];
  if ("element" in member) return inside(member.element);
  return Object.values(member.members as Members).flatMap(inside);
}
const inside = (member: Member): Struct[] =>
  typeof member === "object" && "members" in member ? [...within(member), member] : within(member);

/** The declarations only: the functions need the library's part of a body. */
function declarations(made: Struct): string {
  const all = new Map([...within(made), made].map((each) => [each.name, each.wgsl.split("\n", 1)[0]]));
  return [...all.values()].join("\n");
}

/** Offsets and strides in SPIR-V: OpMemberDecorate (72) Offset (35), OpDecorate (71) ArrayStride (6). */
function decorated(words: Uint32Array) {
  const offsets = new Map<number, number[]>();
  const strides: number[] = [];
  for (let at = 5; at < words.length; at += words[at]! >>> 16) {
    const [op, id] = [words[at]! & 0xffff, words[at + 1]!];
    if (op === 72 && words[at + 3] === 35) {
      const list = offsets.get(id) ?? [];
      list[words[at + 2]!] = words[at + 4]!;
      offsets.set(id, list);
    } else if (op === 71 && words[at + 2] === 6) strides.push(words[at + 3]!);
  }
  return { strides, offsets: [...offsets.values()] };
}

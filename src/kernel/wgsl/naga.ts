/**
 * A binding of naga's WebAssembly whose instance can be replaced. The package's own binding has one instance for the
 * process, which is unusable once naga has panicked or run out of stack. This binding has only the functions that are
 * used here.
 *
 * Workarounds for naga 30, and their files. Each can go once naga, or naga-wasm, has the feature:
 * - bounds of indices and of loops for SPIR-V, which naga-wasm has no options for (spirv/guards.ts);
 * - zeroing of the workgroup's memory by loops (spirv/zeros.ts), constant tables as one variable (spirv/tables.ts);
 * - `capabilities`, without which pack4xU8 and similar functions need features of the device (shader/packed.wgsl);
 * - f16 without its capabilities for buffers, subgroups in the SPIR-V version that has them (spirv/guards.ts), without
 * the
 *   `enable` that naga refuses (front.ts), and subgroupElect (shader/subgroups.wgsl);
 * - overrides with their defaults, @diagnostic, functions that end with an endless loop (front.ts, endless.ts);
 * - barriers of the workgroup's scope (spirv/guards.ts); one buffer both as words and as atomics (spirv/atomics.ts);
 * - pointers to parts of variables as arguments, which make naga's writer panic: their line is found in front.ts;
 * - a stack of 1 MiB, which a sum of 1,800 terms uses up (stack.ts);
 * - time that grows with the square of a function's length (skip.ts).
 */
// @ts-expect-error: with this attribute the import is a path, and not the module that its types describe.
import wasm from "../../../node_modules/naga-wasm/dist/wasm/naga_bg.wasm" with { type: "file" };
import { withSteps } from "./skip.ts";
import { withStack } from "./stack.ts";

/** naga's report on an invalid source, with position and excerpt. */
export class NagaRefusal extends Error {}

/** naga crashed: by a panic, or because its stack was too small. */
export class NagaCrash extends Error {
  /** The function that crashed: `parseWgsl`, `validate` and so on. */
  readonly step: string;

  constructor(step: string, cause: unknown) {
    super(`naga crashed in ${step}`, { cause });
    this.step = step;
  }

  /** Whether the stack was too small: the source has an expression or a block of too many levels. */
  get isTooDeep(): boolean {
    return this.cause instanceof RangeError || /out of bounds|stack/i.test(String(this.cause));
  }
}

interface Exports {
  readonly memory: WebAssembly.Memory;
  readonly parseWgsl: (at: number, bytes: number) => number[];
  readonly parseSpirv: (at: number, bytes: number) => number[];
  readonly validate: (module: number) => number[];
  readonly writeSpirv: (module: number, info: number, options: unknown) => number[];
  readonly writeMsl: (module: number, info: number, options: unknown) => number[];
  readonly __wbg_module_free: (module: number, owned: number) => void;
  readonly __wbg_moduleinfo_free: (info: number, owned: number) => void;
  readonly __wbindgen_malloc: (bytes: number, align: number) => number;
  readonly __wbindgen_free: (at: number, bytes: number, align: number) => void;
  readonly __wbindgen_exn_store: (index: number) => void;
  readonly __externref_table_alloc: () => number;
  readonly __externref_table_dealloc: (index: number) => void;
  readonly __wbindgen_externrefs: WebAssembly.Table;
  readonly __wbindgen_start: () => void;
}

/** The module, 2 MB of WebAssembly, which is compiled for the first shader. */
let compiled: Promise<WebAssembly.Module> | undefined;
let instance: Naga | undefined;

async function compile(): Promise<WebAssembly.Module> {
  return WebAssembly.compile(withSteps(withStack(new Uint8Array(await Bun.file(wasm).arrayBuffer()))));
}

/** The current instance, or a new one after a crash. */
export async function naga(): Promise<Naga> {
  const module = await (compiled ??= compile());
  return (instance ??= new Naga(module));
}

export class Naga {
  readonly #wasm: Exports;

  constructor(module: WebAssembly.Module) {
    const functions = importsOf(() => this.#wasm);
    const imports = WebAssembly.Module.imports(module).map(({ name }) => [name, functions(name)] as const);
    const made = new WebAssembly.Instance(module, { "./naga_bg.js": Object.fromEntries(imports) });
    this.#wasm = made.exports as unknown as Exports;
    this.#wasm.__wbindgen_start();
  }

  /** Throws NagaRefusal; after NagaCrash this instance is not used again. */
  wgslToSpirv(source: string, options: { debug: boolean }): Uint32Array<ArrayBuffer> {
    const wasm = this.#wasm;
    return this.#translate("parseWgsl", new TextEncoder().encode(source), (module, info) => {
      const [at, length] = this.#call("writeSpirv", module, info, { flags: options }) as [number, number];
      const words = new Uint32Array(wasm.memory.buffer, at >>> 0, length).slice();
      wasm.__wbindgen_free(at, length * 4, 4);
      return words;
    });
  }

  spirvToMsl(spirv: Uint32Array, langVersion: [number, number]): string {
    const bytes = new Uint8Array(spirv.buffer, spirv.byteOffset, spirv.byteLength);
    return this.#translate("parseSpirv", bytes, (module, info) => {
      const [at, length] = this.#call("writeMsl", module, info, { langVersion }) as [number, number];
      const text = textAt(this.#wasm, at, length);
      this.#wasm.__wbindgen_free(at, length, 1);
      return text;
    });
  }

  #translate<T>(parse: "parseWgsl" | "parseSpirv", bytes: Uint8Array, write: (module: number, info: number) => T): T {
    const wasm = this.#wasm;
    const at = this.#guarded(parse, () => wasm.__wbindgen_malloc(bytes.length, 1));
    new Uint8Array(wasm.memory.buffer).set(bytes, at >>> 0);
    const [module] = this.#call(parse, at, bytes.length) as [number];
    // No `finally`: after a crash, no function of the instance may be called.
    const free = (handle: number, end: (handle: number, owned: number) => void) => end(handle, 0);
    const refused = (error: unknown, undo: () => void): never => {
      if (error instanceof NagaRefusal) undo();
      throw error;
    };
    try {
      const [info] = this.#call("validate", module) as [number];
      try {
        const written = write(module, info);
        free(info, wasm.__wbg_moduleinfo_free);
        free(module, wasm.__wbg_module_free);
        return written;
      } catch (error) {
        return refused(error, () => free(info, wasm.__wbg_moduleinfo_free));
      }
    } catch (error) {
      return refused(error, () => free(module, wasm.__wbg_module_free));
    }
  }

  /**
   * Calls a function of naga. Its results end with the index of an error in the table, and whether there is an error.
   */
  #call(step: "parseWgsl" | "parseSpirv" | "validate" | "writeSpirv" | "writeMsl", ...given: unknown[]): number[] {
    const wasm = this.#wasm;
    const results = this.#guarded(step, () => (wasm[step] as (...all: unknown[]) => number[])(...given));
    const [error = 0, isError] = results.slice(-2);
    if (!isError) return results;
    const thrown = wasm.__wbindgen_externrefs.get(error);
    wasm.__externref_table_dealloc(error);
    throw new NagaRefusal(thrown instanceof Error ? thrown.message : String(thrown));
  }

  #guarded<T>(step: string, call: () => T): T {
    try {
      return call();
    } catch (error) {
      if (instance === this) instance = undefined;
      throw new NagaCrash(step, error);
    }
  }
}

function textAt({ memory }: Exports, at: number, length: number): string {
  return new TextDecoder().decode(new Uint8Array(memory.buffer, at >>> 0, length));
}

/** The imports of naga. wasm-bindgen adds a prefix and a hash to their names. Most of them read options. */
function importsOf(exports: () => Exports): (name: string) => (...given: never[]) => unknown {
  const view = () => new DataView(exports().memory.buffer);
  const stored = (value: unknown) => {
    const index = exports().__externref_table_alloc();
    exports().__wbindgen_externrefs.set(index, value);
    return index;
  };
  const caught = (call: () => unknown) => {
    try {
      return call();
    } catch (error) {
      return exports().__wbindgen_exn_store(stored(error));
    }
  };
  const text = (at: number, value: string | undefined) => {
    const bytes = value === undefined ? undefined : new TextEncoder().encode(value);
    const copy = bytes ? exports().__wbindgen_malloc(bytes.length, 1) : 0;
    if (bytes) new Uint8Array(exports().memory.buffer).set(bytes, copy >>> 0);
    view().setInt32(at + 4, bytes?.length ?? 0, true);
    view().setInt32(at, copy, true);
  };
  // biome-ignore lint/suspicious/noExplicitAny: these take any JavaScript value.
  const functions: Record<string, (...given: any[]) => unknown> = {
    Error: (at: number, length: number) => Error(textAt(exports(), at, length)),
    Number,
    String: (at: number, value: unknown) => text(at, String(value)),
    boolean_get: (value: unknown) => (typeof value === "boolean" ? Number(value) : 0xffffff),
    debug_string: (at: number, value: unknown) => text(at, Bun.inspect(value)),
    in: (key: PropertyKey, value: object) => key in value,
    is_function: (value: unknown) => typeof value === "function",
    is_object: (value: unknown) => typeof value === "object" && value !== null,
    is_string: (value: unknown) => typeof value === "string",
    is_undefined: (value: unknown) => value === undefined,
    // biome-ignore lint/suspicious/noDoubleEquals: the function is loose equality.
    jsval_loose_eq: (a: unknown, b: unknown) => a == b,
    number_get: (at: number, value: unknown) => {
      view().setFloat64(at + 8, typeof value === "number" ? value : 0, true);
      view().setInt32(at, Number(typeof value === "number"), true);
    },
    string_get: (at: number, value: unknown) => text(at, typeof value === "string" ? value : undefined),
    throw: (at: number, length: number) => {
      throw new Error(textAt(exports(), at, length));
    },
    call: (called: () => unknown, self: unknown) => caught(() => called.call(self)),
    done: ({ done }: IteratorResult<unknown>) => done,
    entries: Object.entries,
    get: (value: object, key: PropertyKey | number) =>
      typeof key === "number" ? (value as unknown[])[key >>> 0] : caught(() => Reflect.get(value, key)),
    get_unchecked: (value: unknown[], index: number) => value[index >>> 0],
    get_with_ref_key: (value: Record<PropertyKey, unknown>, key: PropertyKey) => value[key],
    instanceof_ArrayBuffer: (value: unknown) => value instanceof ArrayBuffer,
    instanceof_Uint8Array: (value: unknown) => value instanceof Uint8Array,
    isArray: Array.isArray,
    isSafeInteger: Number.isSafeInteger,
    iterator: () => Symbol.iterator,
    length: ({ length }: { length: number }) => length,
    new: (buffer: ArrayBuffer) => new Uint8Array(buffer),
    next: (of: Iterator<unknown> & { next: unknown }) => of.next,
    prototypesetcall: (at: number, length: number, from: Uint8Array) =>
      new Uint8Array(exports().memory.buffer, at >>> 0, length).set(from),
    value: ({ value }: IteratorResult<unknown>) => value,
    generic: (at: number, length: number) => textAt(exports(), at, length),
    init_externref_table: () => {
      const table = exports().__wbindgen_externrefs;
      const first = table.grow(4);
      table.set(0, undefined);
      for (const [i, value] of [undefined, null, true, false].entries()) table.set(first + i, value);
    },
  };
  return (name) => {
    const known = name.replace(/^__wb(?:g|indgen)_(?:__wbindgen_)?/, "").replace(/_[0-9a-f]{16}$/, "");
    const found = functions[known];
    if (!found) throw new Error(`naga-wasm is of another version: it calls ${name}`);
    return found as (...given: never[]) => unknown;
  };
}

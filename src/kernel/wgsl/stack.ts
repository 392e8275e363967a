/** A larger stack for a WebAssembly module made by LLVM. */

const PAGE = 65_536;
/**
 * Bytes of the module's stack. A level of an expression takes about 600 bytes of it, and more of the engine's own stack
 * of 8 MiB, which can't be enlarged. So the engine's stack overflows first, with a RangeError, and this one never
 * overflows.
 */
const STACK_BYTES = 64 * 2 ** 20;

/** Ids of sections (WebAssembly specification, 5.5.2). */
const SECTION = { memory: 5, global: 6 };
/** Bytes of magic and version. */
const PREAMBLE = 8;
const I32_CONST = 0x41;

/**
 * The module with STACK_BYTES of stack behind its initial memory, instead of the 1 MiB before it. `__stack_pointer`,
 * the first global, starts at the stack's top. The heap lies behind the stack, in memory that memory.grow adds.
 */
export function withStack(module: Uint8Array): Uint8Array<ArrayBuffer> {
  let top = 0;
  const sections: Uint8Array[] = [module.subarray(0, PREAMBLE)];
  for (let at = PREAMBLE; at < module.length; ) {
    const id = module[at] as number;
    const [size, body] = unsigned(module, at + 1);
    const end = body + size;
    let content: Uint8Array | undefined;
    if (id === SECTION.memory) {
      // count 1, flags, least pages, then perhaps most pages
      const [count, flagsAt] = unsigned(module, body);
      const [pages, rest] = unsigned(module, flagsAt + 1);
      if (count !== 1 || module[flagsAt] !== 0)
        throw new Error("naga-wasm is of another version: its memory is limited");
      const more = pages + STACK_BYTES / PAGE;
      top = more * PAGE;
      content = bytes([1, 0, ...leb(more)], module.subarray(rest, end));
    } else if (id === SECTION.global) {
      // count, then type i32 (0x7f), mutable (1), i32.const, value, end
      const [, first] = unsigned(module, body);
      if (module[first] !== 0x7f || module[first + 1] !== 1 || module[first + 2] !== I32_CONST || top === 0) {
        throw new Error("naga-wasm is of another version: it has no stack pointer");
      }
      const [, rest] = unsigned(module, first + 3);
      content = bytes([...module.subarray(body, first + 3), ...signedLeb(top)], module.subarray(rest, end));
    }
    sections.push(content ? bytes([id, ...leb(content.length)], content) : module.subarray(at, end));
    at = end;
  }
  return Buffer.concat(sections);
}

const bytes = (head: number[], tail: Uint8Array) => Buffer.concat([Uint8Array.from(head), tail]);

function unsigned(from: Uint8Array, at: number): [value: number, next: number] {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = from[at++] as number;
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return [value, at];
  }
}

function leb(value: number): number[] {
  const out: number[] = [];
  for (; value >= 0x80; value = Math.floor(value / 128)) out.push((value & 0x7f) | 0x80);
  return [...out, value];
}

/** LEB128 of a signed number: the highest of the last byte's seven bits is the sign. */
function signedLeb(value: number): number[] {
  const out = leb(value);
  if (((out.at(-1) as number) & 0x40) === 0) return out;
  out[out.length - 1] = (out.at(-1) as number) | 0x80;
  return [...out, 0];
}

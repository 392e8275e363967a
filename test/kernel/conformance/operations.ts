/** A body that does atomic operations on its state: as a handler and in WGSL. */
import type { Handler } from "../../../src/kernel/index.ts";

/** The new word, by the operation's name in WGSL. A message's type is the operation's index. */
export const operations: Record<string, (word: number, value: number, expected: number) => number> = {
  load: (word) => word,
  store: (_, value) => value,
  add: (word, value) => word + value,
  sub: (word, value) => word - value,
  max: (word, value) => Math.max(word >>> 0, value >>> 0),
  min: (word, value) => Math.min(word >>> 0, value >>> 0),
  and: (word, value) => word & value,
  or: (word, value) => word | value,
  xor: (word, value) => word ^ value,
  exchange: (_, value) => value,
  compare_exchange: (word, value, expected) => (word === expected ? value : word),
  load_i32: (word) => word,
  store_i32: (_, value) => value,
  add_i32: (word, value) => word + value,
  sub_i32: (word, value) => word - value,
  max_i32: (word, value) => Math.max(word | 0, value | 0),
  min_i32: (word, value) => Math.min(word | 0, value | 0),
  exchange_i32: (_, value) => value,
  compare_exchange_i32: (word, value, expected) => (word === expected ? value : word),
};
export const NAMES = Object.keys(operations);

/** The words of a message: index of the word, value of the first invocation, number of invocations, expected word. */
export const PARTS = { index: 0, value: 1, invocations: 2, expected: 3 } as const;

/** Replies with the old and the new word. A handler's operations are atomic, because it runs alone. */
export const atomics: Handler = ({ type, payload }, { state }) => {
  const given = new Uint32Array(payload.slice().buffer);
  const words = new Uint32Array(state.buffer, state.byteOffset, state.byteLength / 4);
  const index = given[PARTS.index]!;
  const before = words[index] ?? 0;
  for (let i = 0; i < given[PARTS.invocations]! && index < words.length; i++)
    words[index] = operations[NAMES[type]!]!(words[index]!, given[PARTS.value]! + i, given[PARTS.expected]!);
  return Uint32Array.of(/^store/.test(NAMES[type]!) ? 0 : before, words[index] ?? 0);
};

function call(name: string): string {
  const of = (word: string) => (name.endsWith("_i32") ? `bitcast<i32>(${word})` : word);
  const takes = [];
  if (name.startsWith("compare")) takes.push(of("payload(3u)"));
  if (!name.startsWith("load")) takes.push(of("value"));
  const given = `state_atomic_${name}(${["payload(0u)", ...takes].join(", ")})`;
  if (name.startsWith("store")) return `${given};`;
  return name.endsWith("_i32") ? `before = bitcast<u32>(${given});` : `before = ${given};`;
}

export const atomicsInWgsl = `fn on_message(message: Message) {
  let value = payload(1u) + message.thread;
  var before = 0u;
  if (message.thread < payload(2u)) {
    switch (message.kind) {
${NAMES.map((name, type) => `      case ${type}u: { ${call(name)} }`).join("\n")}
      default: {}
    }
  }
  storageBarrier();
  if (message.thread == 0u) {
    set_reply(0u, before);
    set_reply(1u, state(payload(0u)));
    reply(8u);
  }
}`;

/** Texts that are nearly bodies: valid ones with their tokens changed, and what attackers and accidents put in. */
import type { Random } from "./random.ts";

const TOKEN = /[\p{L}_][\p{L}\p{N}_]*|0[xX][\da-fA-F]+[iu]?|\d+(?:\.\d*)?[iufh]?|\s+|./gsu;
const TOKENS =
  `fn var let const override struct if else for loop while switch case default break continue continuing return discard
  true false u32 i32 f32 f16 bool vec2 vec3<u32> vec4<f32> mat4x4<f32> array<u32,4> ptr<function,u32> atomic<u32> sampler i64 f64
  ( ) { } [ ] < > << >> >= && || & | ^ ~ ! + - * / % = == += ++ -- , ; : . @ -> _ # $ \` ' " \\ 0 1u 2147483648 4294967296u 1e40 0x
  1.5h 99999999999999999999 -2147483649i 0xffffffffu /* */ //`.split(/\s+/);
const SNIPPETS = [
  "@group(0) @binding(0) var<storage, read_write> all: array<u32>;",
  "var<storage> words: array<u32>;",
  "var<push_constant> push: u32;",
  "lf_store[0] = 1u;",
  "set_state(0xffffffffu, 1u);",
  "set_reply(4294967295u, 7u); reply(4294967295u);",
  "_ = send_to(99u, 4294967295u);",
  "loop {}",
  "for (;;) { set_state(1u, state(1u) + 1u); }",
  "workgroupBarrier();",
  "storageBarrier();",
  "let q = &state;",
  "fn on_message() {}",
  "@compute @workgroup_size(1) fn main() {}",
  "enable f16;",
  "enable nothing;",
  "requires readonly_and_readwrite_storage_textures;",
  "diagnostic(off, derivative_uniformity);",
  "alias T = vec4<T>;",
  "struct S { a: S }",
  "const c = array<u32, 4294967295>();",
  "var<private> huge: array<u32, 100000000>;",
  "var<workgroup> wide: array<vec4<u32>, 65536>;",
  "const_assert false;",
  "fn f() { f(); }",
  "let d = textureLoad(x, vec2(0), 0);",
  "discard;",
  "var a: array<u32>;",
  "bitcast<vec4<u32>>(1u)",
  "1u / 0u",
  "1u << 99u",
  "array<u32, 3>(1u, 2u, 3u)[7]",
  "atomicAdd(&lf_board[0], 1u);",
  "_ = state_atomic_add(4294967295u, 1u);",
  "*/",
  "/*",
  "/* /* */",
  "\u0000",
  "\ud800",
  "\ufeff",
  "\u202e",
];

function oneChange(tokens: string[], random: Random): void {
  const at = random.below(Math.max(1, tokens.length));
  const other = random.below(Math.max(1, tokens.length));
  switch (random.below(9)) {
    case 0:
      tokens.splice(at, 1 + random.below(3));
      break;
    case 1:
      tokens.splice(at, 0, tokens[other] ?? "");
      break;
    case 2:
      [tokens[at], tokens[other]] = [tokens[other] ?? "", tokens[at] ?? ""];
      break;
    case 3:
      tokens[at] = random.one(TOKENS);
      break;
    case 4:
      tokens.splice(at, 0, ` ${random.one(TOKENS)} `);
      break;
    case 5:
      tokens.splice(at, 0, ` ${random.one(SNIPPETS)} `);
      break;
    case 6:
      tokens.length = at;
      break;
    case 7: {
      const part = tokens.slice(at, at + 1 + random.below(20));
      tokens.splice(other, 0, ...part);
      break;
    }
    default: {
      const open = random.one(["(", "{", "[", "-", "!", "~", "&", "if true {", "a + ", "array<", "vec2(", "/*"]);
      tokens.splice(at, 0, open.repeat(1 + random.below(400)));
    }
  }
}

/** What a token is exchanged for, so that most of the text still parses. */
const KINDS = [/^[\p{L}_]/u, /^\d/, /^[-+*/%&|^<>=!~]$/, /^[;,]$/];

function exchange(tokens: string[], random: Random): void {
  const indices = [...tokens.keys()].filter((at) => KINDS.some((kind) => kind.test(tokens[at] as string)));
  if (indices.length === 0) return;
  const at = random.one(indices);
  const kind = KINDS.find((each) => each.test(tokens[at] as string)) as RegExp;
  const others = tokens.filter((token) => kind.test(token));
  tokens[at] = random.once(6) && kind === KINDS[1] ? `${random.edge()}u` : random.one(others);
}

/** `text` with one change to five; in most texts brackets stay as they are. */
export function mutated(text: string, random: Random): string {
  const tokens = text.match(TOKEN) ?? [];
  const change = random.once(4) ? oneChange : exchange;
  for (let i = random.below(5); i >= 0; i--) change(tokens, random);
  return tokens.join("");
}

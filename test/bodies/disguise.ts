/** The same tokens with other blanks, comments and line breaks between them. */
import type { Random } from "./random.ts";

/** Every break of WGSL's, sections 3.1 and 3.2: LF, VT, FF, CR, NEL, LS, PS, and CR with LF. */
const BREAKS = ["\n", "\u000b", "\u000c", "\r", "\u0085", "\u2028", "\u2029", "\r\n"];
const BLANKS = [" ", "\t", "\u200e", "\u200f", "  "];
const WORDS = [
  "*",
  "// ",
  "/",
  "fn on_message() {}",
  "lf_store[0] = 1u;",
  "@group(0)",
  "}",
  "{",
  "é 🌋",
  "*/ /*",
  "loop {}",
];

function comment(random: Random): string {
  const words = Array.from({ length: random.below(3) }, () => random.one(WORDS)).join(" ");
  if (random.once(2)) return `// ${words}${random.one(BREAKS)}`;
  // Nested, as WGSL has it: whatever opens in it is closed in it.
  const inside = words.replaceAll("*/", "").replaceAll("/*", "").replaceAll("/", "").replaceAll("*", "");
  return random.once(3) ? `/* ${inside} /* // ${inside} */ // */` : `/*${inside}*/`;
}

/** Blanks of `text` are replaced here and there. */
export function disguised(text: string, random: Random): string {
  return text.replaceAll(" ", () => {
    if (!random.once(12)) return " ";
    const kind = random.below(3);
    return kind === 0 ? random.one(BREAKS) : kind === 1 ? ` ${random.one(BLANKS)}` : ` ${comment(random)} `;
  });
}

/** A peer's own words in a message of ours: of a bearable length, and without what would reach into a terminal. */
export function printable(text: string): string {
  return text.slice(0, 500).replace(/\p{Cc}/gu, " ");
}

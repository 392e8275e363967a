/** The peer's text for an error message: at most 500 characters, and no control character that a terminal would obey. */
export function printable(text: string): string {
  return text.slice(0, 500).replace(/\p{Cc}/gu, " ");
}

/**
 * Loops that only a return leaves. The code behind such a loop is unreachable, so a function may end with it (WGSL,
 * section 9.7). naga requires a return statement there. The guards may end the loop, and the return then gives a zero.
 */
import type { Declaration, Module } from "./declarations.ts";

/** The indices of the brackets that close such loops of a function, where no statement follows in the same block. */
export function endlessLoops(module: Module, { start, end, hasResult }: Declaration): number[] {
  const { tokens, closing } = module;
  if (!hasResult) return [];
  const found: number[] = [];
  for (let at = start; at < end; at++) {
    const { text } = tokens[at] as { text: string };
    // A return may not stand within a continuing block.
    if (text === "continuing") at = closing.get(bodyOf(module, at + 1)) ?? at;
    const open = text === "loop" ? bodyOf(module, at + 1) : text === "for" ? bodyOfEndlessFor(module, at) : -1;
    const close = closing.get(open);
    if (close !== undefined && tokens[close + 1]?.text === "}" && !isLeft(module, open, close)) found.push(close);
  }
  return found;
}

/** Tokens before which a statement ends: the search for a block stops there. */
const ENDS_OR_BEGINS = /^(?:[;}]|loop|for|while|switch|continuing)$/;

/**
 * The index of the first `{` from `from` on that is in no bracket, behind attributes or a condition. -1 where there is
 * none.
 */
function bodyOf({ tokens, closing }: Module, from: number): number {
  for (let at = from; at < tokens.length; at = (closing.get(at) ?? at) + 1) {
    const text = tokens[at]?.text ?? "";
    if (text === "{") return at;
    if (ENDS_OR_BEGINS.test(text)) break;
  }
  return -1;
}

/** The index of the `{` of a for loop without a condition; -1 where it has a condition. */
function bodyOfEndlessFor(module: Module, at: number): number {
  const { tokens, closing } = module;
  const close = closing.get(at + 1) ?? at;
  let first = at + 2;
  while (first < close && tokens[first]?.text !== ";") first++;
  return first < close && tokens[first + 1]?.text === ";" ? bodyOf(module, close + 1) : -1;
}

/** Whether a `break` leaves this block. A `break` of an inner loop or switch does not count. */
function isLeft(module: Module, open: number, close: number): boolean {
  const { tokens, closing } = module;
  for (let at = open + 1; at < close; at++) {
    const text = tokens[at]?.text ?? "";
    if (text === "break") return true;
    if (/^(?:loop|for|while|switch)$/.test(text)) at = closing.get(bodyOf(module, at + 1)) ?? at;
  }
  return false;
}

/**
 * Loops that nothing leaves but a return. What stands behind one is never reached, so a function may end with it (WGSL, section
 * 9.7); naga wants a return there. The guards end such a loop too, and then the function has something to give.
 */
import type { Declaration, Module } from "./declarations.ts";

/** The places of the brackets that close such loops of a function, where nothing follows in the same block. */
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

/** A statement ends before these, so what stands before a block does too. */
const ENDS_OR_BEGINS = /^(?:[;}]|loop|for|while|switch|continuing)$/;

/** The first `{` from here on that is in no bracket; attributes or a condition may stand before it. -1 where there is none. */
function bodyOf({ tokens, closing }: Module, from: number): number {
  for (let at = from; at < tokens.length; at = (closing.get(at) ?? at) + 1) {
    const text = tokens[at]?.text ?? "";
    if (text === "{") return at;
    if (ENDS_OR_BEGINS.test(text)) break;
  }
  return -1;
}

/** -1 where it has a condition. */
function bodyOfEndlessFor(module: Module, at: number): number {
  const { tokens, closing } = module;
  const close = closing.get(at + 1) ?? at;
  let first = at + 2;
  while (first < close && tokens[first]?.text !== ";") first++;
  return first < close && tokens[first + 1]?.text === ";" ? bodyOf(module, close + 1) : -1;
}

/** Whether a `break` leaves this block, and not a loop or a switch in it. */
function isLeft(module: Module, open: number, close: number): boolean {
  const { tokens, closing } = module;
  for (let at = open + 1; at < close; at++) {
    const text = tokens[at]?.text ?? "";
    if (text === "break") return true;
    if (/^(?:loop|for|while|switch)$/.test(text)) at = closing.get(bodyOf(module, at + 1)) ?? at;
  }
  return false;
}

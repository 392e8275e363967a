/**
 * The line of an error that naga reports without a position, for example an index into a number. naga is given shorter
 * and shorter parts: the shortest beginning of a function that naga still refuses ends with the faulty statement.
 */
import type { Declaration, Module } from "./declarations.ts";
import type { Token } from "./lexer.ts";

/** Tokens of a part, at most: each of the attempts takes as long as a translation. */
const TOKENS_MAX = 20_000;

type IsRefused = (part: string) => Promise<boolean>;

/** A beginning of a function: its end, a token's index, and the number of brackets that are open there. */
interface Cut {
  readonly at: number;
  readonly open: number;
}

/** Undefined where the error is in no function, or is not found. */
export async function locate(module: Module, isRefused: IsRefused): Promise<number | undefined> {
  if (module.tokens.length > TOKENS_MAX) return undefined;
  const functions = module.declarations.filter(({ kind }) => kind === "fn");
  const withFirst = (count: number) =>
    written(module, new Map(functions.slice(count).map((each) => [each, undefined])));
  const count = await least(functions.length, (some) => isRefused(withFirst(some)));
  const found = functions[count - 1];
  if (!found) return undefined;
  const others = functions.filter((each) => each !== found).map((each) => [each, undefined] as const);
  const cuts = cutsOf(module, found);
  const until = (cut: number) => written(module, new Map([...others, [found, cuts[cut]]]));
  const cut = await least(cuts.length - 1, (some) => isRefused(until(some)));
  let at = cuts[cut - 1]?.at ?? found.at;
  while (/^(?:\}|else)$/.test(module.tokens[at]?.text ?? "")) at++;
  return module.tokens[at]?.line;
}

/**
 * The least number from 0 to `most` for which `of` is true. `of` must be true for `most`, and for all above the least.
 */
async function least(most: number, of: (value: number) => Promise<boolean>): Promise<number> {
  let [low, high] = [0, most];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (await of(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The ends of a function's statements, also within blocks. A switch is not cut: it needs all of its clauses. */
function cutsOf({ tokens, closing }: Module, { body, end }: Declaration): Cut[] {
  const cuts: Cut[] = [{ at: body + 1, open: 1 }];
  let open = 1;
  let isSwitch = false;
  for (let at = body + 1; at < end - 1; at++) {
    const { text } = tokens[at] as Token;
    if (text === "switch") isSwitch = true;
    if (text === "(" || text === "[" || (text === "{" && isSwitch)) at = closing.get(at) as number;
    else if (text === "{") open++;
    else if (text === "}") open--;
    const { text: last } = tokens[at] as Token;
    if (last === "}") isSwitch = false;
    const isEnd = (last === ";" || last === "{" || last === "}") && tokens[at + 1]?.text !== "else";
    if (isEnd) cuts.push({ at: at + 1, open });
  }
  return cuts;
}

/** The part with some functions cut short; undefined: the function's body is empty. */
function written(module: Module, cut: ReadonlyMap<Declaration, Cut | undefined>): string {
  const { tokens } = module;
  let text = "";
  let before: Token | undefined;
  const write = (token: Token) => {
    // Adjacent tokens stay adjacent: two > may be one operator.
    const isNext = before?.line === token.line && before.column + before.text.length === token.column;
    text += `${isNext ? "" : " "}${token.text}`;
    before = token;
  };
  let at = 0;
  for (const [declaration, end] of [...cut].sort(([a], [b]) => a.start - b.start)) {
    const { at: until, open } = end ?? { at: declaration.body + 1, open: 1 };
    for (; at < until; at++) write(tokens[at] as Token);
    text += `${" }".repeat(open - 1)}${zeroOf(module, declaration)} }`;
    at = declaration.end;
  }
  for (; at < tokens.length; at++) write(tokens[at] as Token);
  return text;
}

/** The return statement at the end of a function that has a result. */
function zeroOf({ tokens, closing }: Module, { at, body, hasResult }: Declaration): string {
  if (!hasResult) return "";
  const type = tokens.slice((closing.get(at + 1) as number) + 2, body).map(({ text }) => text);
  return ` return ${type.join(" ")}();`;
}

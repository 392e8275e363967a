/** Refuses unknown options by name: a misspelt option would be ignored in silence. */
import { invalidArgument, LavaFlowError } from "../errors.ts";

/** All names of an interface of options. The compiler refuses an incomplete list. */
export type OptionNames<T> = { readonly [Name in keyof T]-?: true };

/** INVALID_ARGUMENT where `options` is no object, or has an unknown name whose value is not undefined. */
export function checkNames(call: string, options: object | undefined, known: Readonly<Record<string, true>>): void {
  if (options === undefined) return;
  if (typeof options !== "object" || options === null) {
    throw invalidArgument(`options of ${call}`, options, `{ ${Object.keys(known).join(", ")} }`);
  }
  for (const name in options) {
    if (known[name] !== true && (options as Record<string, unknown>)[name] !== undefined)
      throw unknown(call, name, known);
  }
}

function unknown(call: string, name: string, known: object): LavaFlowError {
  const names = Object.keys(known);
  const meant = names.find((each) => alike(name.toLowerCase(), each.toLowerCase()));
  const which = `${meant ? `Did you mean ${meant}? ` : ""}There ${names.length === 1 ? "is" : "are"} ${names.join(", ")}`;
  return new LavaFlowError("INVALID_ARGUMENT", `${call} has no option ${JSON.stringify(name)}`, { remedy: which });
}

/** Whether one name begins with the other, or at most a third of the letters differ. */
function alike(a: string, b: string): boolean {
  if (a.length > 2 && (b.startsWith(a) || a.startsWith(b))) return true;
  return distance(a, b) <= Math.max(a.length, b.length) / 3;
}

/** The Levenshtein distance: letters to insert, delete or change. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(changed, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}

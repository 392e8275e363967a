/**
 * Several copies of this package in one process: two installations, a bundle beside one, or one that is evaluated again
 * (`bun --hot`). Each has classes of its own, which `instanceof` and private fields tell apart; here their objects become
 * each other's.
 */
import { COPY, HOME } from "../errors.ts";
import { CONSTANTS } from "./layout.ts";

/** Raised whenever what a copy finds inside of another one's objects changes its meaning. */
const INSIDES = 1;

/**
 * Makes `instanceof` of a class true for the objects of every copy that has the same native part and insides. Returns how
 * such an object is opened: `inside` of the copy that made it, applied to it.
 */
export function sharedBetweenCopies<T extends object, Inside>(
  type: { readonly prototype: T },
  name: string,
  inside: (object: T) => Inside,
): (object: T) => Inside {
  const key = Symbol.for(`lava-flow.${name}.${CONSTANTS.LF_ABI_VERSION}.${INSIDES}`);
  const hidden = (value: unknown) => ({ value, enumerable: false });
  Object.defineProperties(type.prototype, {
    [key]: hidden(function (this: T) {
      return inside(this);
    }),
    [COPY]: hidden(HOME),
  });
  Object.defineProperty(
    type,
    Symbol.hasInstance,
    hidden(function (this: unknown, value: unknown) {
      // A class that extends this one has inherited the function, and is for its own objects only.
      if (this !== type) return Function.prototype[Symbol.hasInstance].call(this as () => void, value);
      return typeof value === "object" && value !== null && key in value;
    }),
  );
  return (object) => (object as Record<symbol, () => Inside>)[key]!();
}

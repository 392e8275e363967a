/**
 * Several copies of this package in one process: two installations, an installation and a bundle, or one that is evaluated
 * again (`bun --hot`). Each copy has its own classes and private fields. This file makes every copy accept the objects of
 * the others.
 */
import { COPY, HOME } from "../errors.ts";
import { CONSTANTS } from "./layout.ts";

/** To be raised when the inner objects that copies exchange change their meaning. */
const INSIDES = 1;

/**
 * Makes `instanceof` of a class true for the objects of every copy with the same LF_ABI_VERSION and INSIDES. Returns a
 * function that applies `inside` of the copy which made the object.
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
      // A subclass inherits this function, and tests for its own objects only.
      if (this !== type) return Function.prototype[Symbol.hasInstance].call(this as () => void, value);
      return typeof value === "object" && value !== null && key in value;
    }),
  );
  return (object) => (object as Record<symbol, () => Inside>)[key]!();
}

/** What generated bodies declare. */
import type { Content, Frame, Reference } from "./machine.ts";
import type { Scalar, Type, Value } from "./values.ts";

export const PAYLOAD_WORDS = 8;
export const REPLY_WORDS = 6;
export const STATE_WORDS = 6;

export const DEEP = 2;

export interface Array_ {
  element: Scalar;
  length: number;
}
export interface Struct {
  name: string;
  members: [name: string, type: Type][];
}

export interface Variable {
  name: string;
  type: Type | Array_ | Struct;
  isVar: boolean;
  reference(frame: Frame): Reference;
  /** How the text says what it holds. */
  text: string;
}

export interface Function_ {
  name: string;
  parameters: { name: string; type: Type; isPointer: boolean }[];
  result: Type;
  text: string;
  call(frame: Frame, given: Content[]): Value;
}

export const isArray = (type: Variable["type"]): type is Array_ => typeof type === "object" && "length" in type;
export const isStruct = (type: Variable["type"]): type is Struct => typeof type === "object" && "members" in type;

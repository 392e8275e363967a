/** A body of the conformance suite, as the module of a Worker. */
export { atomics as default } from "../../kernel/conformance/operations.ts";

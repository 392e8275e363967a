/** A body of the conformance suite, as the module of a Worker. */
export { move as default } from "../../kernel/conformance/bodies.ts";

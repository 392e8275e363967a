/** A body of the conformance suite, as the module of a Worker. */
export { pass as default } from "../../kernel/conformance/bodies.ts";

/** A body of the conformance suite, as the module of a Worker. */
export { fails as default } from "../../kernel/conformance/bodies.ts";

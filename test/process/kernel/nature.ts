/** A body of the conformance suite, as the module of a Worker. */
export { nature as default } from "../../kernel/conformance/bodies.ts";

/** Preloaded into TypeDoc, which needs the compiler's JavaScript API: "typescript" here is 7, which has none. */
import { plugin } from "bun";
import * as ts from "typescript-5.9";

plugin({
  name: "typescript 5.9 for TypeDoc",
  setup(build) {
    build.module("typescript", () => ({ loader: "object", exports: { ...ts } }));
  },
});

/** Which other APIs can share memory with the GPUs here. */
import { native } from "../native/load.ts";
import { check } from "../native/status.ts";

/** Whether one of the other APIs can share GPU memory here. */
export interface InteropViability {
  api: "cuda" | "opencl" | "opengl";
  viable: boolean;
  /** What there is, or why it can't be used. */
  reason: string;
}

const PROBES = { cuda: "lf_cuda_viable", opencl: "lf_opencl_viable", opengl: "lf_opengl_viable" } as const;

const text = new Uint8Array(new ArrayBuffer(512));
const decoder = new TextDecoder();

/** Looks for the libraries and their devices, which may take long the first time. Never throws for a missing one. */
export function interopViability(): InteropViability[] {
  const shim = native();
  return (["cuda", "opencl", "opengl"] as const).map((api) => {
    const viable = check(shim, shim[PROBES[api]](text.length, text), api) === 1;
    return { api, viable, reason: decoder.decode(text.subarray(0, text.indexOf(0))).replace(/\p{Cc}+/gu, " ") };
  });
}

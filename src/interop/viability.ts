/** The APIs that can share memory with the GPUs of this machine. */
import { printableCString } from "../native/c-string.ts";
import { native } from "../native/load.ts";
import { check } from "../native/status.ts";

/** Whether one of the other APIs can share GPU memory here. */
export interface InteropViability {
  api: "cuda" | "opencl" | "opengl";
  viable: boolean;
  /** The library and its devices, or why the API can't be used. */
  reason: string;
}

const PROBES = { cuda: "lf_cuda_viable", opencl: "lf_opencl_viable", opengl: "lf_opengl_viable" } as const;

const text = new Uint8Array(new ArrayBuffer(512));

/** Probes each API. The first call loads the libraries, which may take long. A missing library is no error. */
export function interopViability(): InteropViability[] {
  const shim = native();
  return (["cuda", "opencl", "opengl"] as const).map((api) => {
    const viable = check(shim, shim[PROBES[api]](text.length, text), api) === 1;
    return { api, viable, reason: printableCString(text) };
  });
}

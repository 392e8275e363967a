/** Every function of the shim, declared once; the TypeScript types of the calls are inferred from here. */
import { type Library, FFIType as T } from "bun:ffi";

export const SYMBOLS = {
  lf_abi_version: { args: [], returns: T.i32 },
  lf_status_last: { args: [T.ptr], returns: T.i32 },
  lf_layout_json: { args: [T.u32, T.ptr], returns: T.i32 },
  lf_noop: { args: [T.i32], returns: T.i32 },

  lf_memory_allocate: { args: [T.i32, T.f64, T.i32, T.ptr], returns: T.i32 },
  lf_memory_import: { args: [T.i64_fast, T.f64, T.ptr], returns: T.i32 },
  lf_memory_export: { args: [T.i32, T.ptr], returns: T.i32 },
  lf_memory_close: { args: [T.i32], returns: T.i32 },
  lf_memory_nodes: { args: [T.i32, T.u32, T.ptr], returns: T.i32 },
  lf_os_handle_close: { args: [T.i64_fast], returns: T.i32 },
  lf_numa_viable: { args: [], returns: T.i32 },
  lf_membarrier_viable: { args: [], returns: T.i32 },

  lf_rendezvous_open: { args: [T.ptr, T.u32, T.ptr, T.u32, T.i32], returns: T.i32 },
  lf_rendezvous_poll: { args: [T.i32], returns: T.i32 },
  lf_rendezvous_settle: { args: [T.i32], returns: T.i32 },
  lf_rendezvous_info_get: { args: [T.i32, T.ptr], returns: T.i32 },
  lf_rendezvous_close: { args: [T.i32], returns: T.i32 },

  lf_link_send: { args: [T.i32, T.u32, T.ptr, T.u32], returns: T.i32 },
  lf_link_receive: { args: [T.i32, T.ptr, T.ptr], returns: T.i32 },
  lf_link_bell: { args: [T.i32, T.ptr], returns: T.i32 },
  lf_link_peer_pid: { args: [T.i32], returns: T.i32 },
  lf_link_alive: { args: [T.i32], returns: T.i32 },
  lf_link_close: { args: [T.i32], returns: T.i32 },

  lf_producer_open: { args: [T.i32, T.u32, T.i32], returns: T.i32 },
  lf_producer_send: { args: [T.i32, T.ptr, T.u32], returns: T.i32 },
  lf_producer_send_memory: { args: [T.i32, T.i32], returns: T.i32 },
  lf_producer_forget_memory: { args: [T.i32, T.i32], returns: T.i32 },
  lf_producer_loan: { args: [T.i32, T.f64, T.ptr], returns: T.i32 },
  lf_producer_commit: { args: [T.i32, T.u32, T.f64], returns: T.i32 },
  lf_producer_abort: { args: [T.i32, T.u32], returns: T.i32 },
  lf_producer_reserve: { args: [T.i32], returns: T.i32 },
  lf_producer_commit_inline: { args: [T.i32, T.ptr, T.u32], returns: T.i32 },
  lf_producer_abort_inline: { args: [T.i32], returns: T.i32 },
  lf_producer_region: { args: [T.i32, T.u32, T.ptr], returns: T.i32 },
  lf_producer_retirable: { args: [T.i32, T.ptr], returns: T.i32 },
  lf_producer_retire: { args: [T.i32, T.u32], returns: T.i32 },
  lf_producer_keep: { args: [T.i32, T.u32], returns: T.i32 },
  lf_producer_arm: { args: [T.i32, T.i32], returns: T.i32 },
  lf_producer_stats: { args: [T.i32, T.ptr], returns: T.i32 },
  lf_producer_close: { args: [T.i32], returns: T.i32 },

  lf_consumer_open: { args: [T.i32, T.i32], returns: T.i32 },
  lf_consumer_receive: { args: [T.i32, T.ptr], returns: T.i32 },
  lf_consumer_receive_wait: { args: [T.i32, T.f64, T.f64, T.ptr], returns: T.i32 },
  lf_consumer_release: { args: [T.i32, T.u32], returns: T.i32 },
  lf_consumer_region: { args: [T.i32, T.u32, T.ptr], returns: T.i32 },
  lf_consumer_retire: { args: [T.i32, T.u32], returns: T.i32 },
  lf_consumer_keep: { args: [T.i32, T.u32], returns: T.i32 },
  lf_consumer_arm: { args: [T.i32], returns: T.i32 },
  lf_consumer_stats: { args: [T.i32, T.ptr], returns: T.i32 },
  lf_consumer_close: { args: [T.i32], returns: T.i32 },
} as const;

export type Shim = Library<typeof SYMBOLS>["symbols"];

/** lava-flow: moves data between processes without copying it, on the fastest path that the machines offer. */
export { Channel } from "./channel/channel.ts";
export type { Frame, Loan } from "./channel/frame.ts";
export type { ChannelOptions } from "./channel/options.ts";
export type { Route } from "./channel/route.ts";
export type { TransportName } from "./channel/transport/transport.ts";
export { type ErrorCode, LavaFlowError, type NativeFailure } from "./errors.ts";
export type { GpuInfo } from "./gpu/device.ts";
export { type ExternalSemaphoreHandle, GpuSemaphore, type SemaphoreKind } from "./gpu/timeline.ts";
export { type CommunicationScope, detectScope, ProcessLocation, type ScopeDecision } from "./location.ts";
export { MemoryAllocator, type Topology } from "./memory/allocator.ts";
export { MemoryBuffer } from "./memory/buffer.ts";
export type { ExternalMemoryHandle } from "./memory/handle.ts";
export type { ChannelProfile, MemoryLocation, MemoryStrategy } from "./memory/strategy.ts";

/** The public names of "lava-flow/kernel", and nothing else. */

export { type ClockOptions, type HlcTimestamp, HybridLogicalClock } from "./base/clock.ts";
export type { Envelope, EnvelopeInit } from "./base/envelope.ts";
export type { Handler, KernelContext, LaunchOptions, SendOptions } from "./base/launch.ts";
export type { Priority } from "./base/message.ts";
export type { MessageBytes, Payload, PayloadInit } from "./base/payload.ts";
export { type Coordinates2d, type Coordinates3d, neighbours2d, neighbours3d } from "./grid.ts";
export { HaloExchange, type HaloGrid, type HaloOptions, type HaloStats } from "./halo.ts";
export type { K2kBroker } from "./k2k/broker.ts";
export type { K2kConfig } from "./k2k/config.ts";
export type { DeliveryStatus } from "./k2k/delivery.ts";
export type { ConnectOptions } from "./k2k/peer.ts";
export type { Kernel, KernelMetrics, KernelState, Remains } from "./kernel.ts";
export {
  type Backend,
  KernelRuntime,
  type RuntimeOptions,
  type ShutdownReport,
} from "./runtime.ts";
export { Stencil, type StencilOptions, type StencilRow } from "./stencil.ts";
export type { Numbers } from "./struct/layout.ts";
export {
  type ArrayOf,
  array,
  type Member,
  type Members,
  type Scalar,
  Struct,
  type StructDefinition,
  type StructInit,
  type StructValue,
  struct,
  type TupleOf,
  type Vector,
} from "./struct/struct.ts";

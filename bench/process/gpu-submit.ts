/**
 * From nothing to the visible end of an empty dispatch: looking at the timeline without a pause, and awaiting it.
 *
 *     gpu-submit.ts DEVICE COUNT
 */
import { GpuDevice } from "../../src/gpu/device.ts";
import { GpuPipeline } from "../../src/gpu/pipeline.ts";
import { native } from "../../src/native/load.ts";
import { check } from "../../src/native/status.ts";
import { figureOf } from "../measure.ts";

/** A compute shader of one invocation that does nothing: the one of shim/bench/gpu_submit.c. */
// biome-ignore format: one instruction a line
const SHADER = new Uint32Array([
  0x07230203, 0x00010000, 0, 5, 0,
  (2 << 16) | 17, 1,
  (3 << 16) | 14, 0, 1,
  (5 << 16) | 15, 5, 1, 0x6e69616d, 0,
  (6 << 16) | 16, 1, 17, 1, 1, 1,
  (2 << 16) | 19, 2,
  (3 << 16) | 33, 3, 2,
  (5 << 16) | 54, 2, 1, 0, 3,
  (2 << 16) | 248, 4,
  (1 << 16) | 253, (1 << 16) | 56,
]);

const [index, times] = Bun.argv.slice(2);
const count = Number(times);
const SECOND_US = 1e6;

const shim = native();
const device = GpuDevice.open(Number(index));
const handle = device.handle;
const code = new Uint32Array(new ArrayBuffer(SHADER.byteLength));
code.set(SHADER);
const { handle: pipeline } = await GpuPipeline.create(device, code, "the shader of the bench", 0, 0);
const none = new Int32Array(new ArrayBuffer(4));
const value = new Float64Array(new ArrayBuffer(8));

const dispatch = (out: Float64Array) => shim.lf_queue_dispatch(handle, pipeline, none, 0, null, 0, 1, 1, 1, out);

function spin(): void {
  check(shim, dispatch(value));
  if (check(shim, shim.lf_queue_reached(handle, value[0] as number, SECOND_US)) !== 1) throw new Error("no end of it");
}

const visible: number[] = [];
for (let i = -Math.ceil(count / 5); i < count; i++) {
  const start = Bun.nanoseconds();
  spin();
  if (i >= 0) visible.push((Bun.nanoseconds() - start) / 1000);
}
const awaited: number[] = [];
for (let i = -Math.ceil(count / 5); i < count; i++) {
  const start = Bun.nanoseconds();
  await device.queue.submit([], "dispatch", dispatch);
  if (i >= 0) awaited.push((Bun.nanoseconds() - start) / 1000);
}
console.log(JSON.stringify({ visible: figureOf(visible), awaited: figureOf(awaited) }));
shim.lf_pipeline_close(pipeline);
device.release();

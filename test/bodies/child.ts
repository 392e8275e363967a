/**
 * Bodies of seeds, in a process that may crash or hang: `bun child.ts FIRST COUNT KIND`. A line for each seed before it
 * is tried, and one of JSON at the end. KIND `valid`: they run on a GPU, and reply what they have to. KIND `mutated`:
 * they are refused with SHADER_INVALID or translated; one of RUN_ONE_OF that were translated is run too, and changes no
 * other kernel.
 */
import { LavaFlowError } from "../../src/errors.ts";
import { GpuDevice } from "../../src/gpu/device.ts";
import { toKernel } from "../../src/kernel/shader/shader.ts";
import { device } from "../gpu/support.ts";
import { Bare, type Launched, wordsOf } from "../kernel/port.ts";
import { PAYLOAD_WORDS, REPLY_WORDS, STATE_WORDS } from "./declared.ts";
import { disguised } from "./disguise.ts";
import { type Body, Generator } from "./generate.ts";
import { Machine, TooLong } from "./machine.ts";
import { mutated } from "./mutate.ts";
import { Random } from "./random.ts";

const MESSAGES = 4;
/** The weight of a body that is run: a software driver takes a minute for one of four times as much. */
const HEAVIEST = 4000;
const RUN_ONE_OF = 32;

const [first = "0", count = "1", kind = "valid"] = process.argv.slice(2);
const gpu = GpuDevice.open(device);
const bare = await Bare.open(gpu);
const counts = { valid: 0, messages: 0, long: 0, refused: 0, translated: 0, run: 0 };
const wrong: string[] = [];

const bytesOf = (words: Uint32Array) => new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
const payloadOf = (random: Random) => Uint32Array.from({ length: PAYLOAD_WORDS }, () => random.edge());
const describe = (error: unknown) => (error instanceof Error ? `${error.name}: ${error.message}` : `${error}`);
const launch = (text: string) => bare.launch(text, { stateBytes: 4 * STATE_WORDS, payloadBytes: 4 * PAYLOAD_WORDS });

/** What each message has to be answered with; null: it takes too long. */
function expected(body: Body, payloads: Uint32Array[]): number[][] | null {
  const machine = new Machine(STATE_WORDS, REPLY_WORDS);
  try {
    return payloads.map((payload) => {
      machine.begin(payload);
      body.handle(machine);
      return [...machine.reply];
    });
  } catch (error) {
    if (error instanceof TooLong) return null;
    throw error;
  }
}

async function valid(seed: number, random: Random): Promise<void> {
  const body = new Generator(seed).body();
  const payloads = Array.from({ length: MESSAGES }, () => payloadOf(random));
  const replies = body.weight > HEAVIEST ? null : expected(body, payloads);
  const text = disguised(body.text, random);
  if (!replies) {
    counts.long++;
    return;
  }
  const kernel = await launch(text);
  for (const [i, payload] of payloads.entries()) {
    const got = wordsOf(await bare.call(kernel, bytesOf(payload)));
    counts.messages++;
    if (got.join() === replies[i]?.join()) continue;
    wrong.push(`seed ${seed}, message ${i}: ${got} instead of ${replies[i]}`);
    break;
  }
  counts.valid++;
  await kernel.kernel.close();
}

/** A kernel that counts, beside all that is run. */
const VICTIM = "fn on_message() { set_state(0u, state(0u) + 1u); set_reply(0u, state(0u)); reply(4u); }";
let victim: Launched | undefined;
let counted = 0;

async function isUnharmed(): Promise<boolean> {
  victim ??= await launch(VICTIM);
  const [value] = wordsOf(await bare.call(victim, new Uint8Array(4)));
  return value === ++counted;
}

async function run(text: string, random: Random): Promise<void> {
  const kernel = await launch(text).catch((error: unknown) => {
    if (error instanceof LavaFlowError && error.code === "SHADER_INVALID") return null;
    throw error;
  });
  if (kernel) {
    for (let i = 0; i < 2; i++) if (bare.send(kernel, bytesOf(payloadOf(random)))) counts.messages++;
    await kernel.port.until(() => kernel.port.takenCount >= 2 || kernel.port.failures.length > 0);
    await kernel.kernel.close();
    counts.run++;
  }
  if (!(await isUnharmed())) wrong.push("another kernel's state changed");
}

async function broken(seed: number, random: Random): Promise<void> {
  const body = new Generator(seed).body();
  const text = mutated(disguised(body.text, random), random);
  try {
    await toKernel(text, 1, `body ${seed}`);
  } catch (error) {
    if (!(error instanceof LavaFlowError && error.code === "SHADER_INVALID")) throw error;
    counts.refused++;
    return;
  }
  counts.translated++;
  if (body.weight <= HEAVIEST && random.once(RUN_ONE_OF)) await run(text, random);
}

for (let seed = Number(first); seed < Number(first) + Number(count); seed++) {
  process.stdout.write(`${seed}\n`);
  const random = new Random(seed ^ 0x5eed);
  try {
    await (kind === "valid" ? valid(seed, random) : broken(seed, random));
  } catch (error) {
    wrong.push(`seed ${seed}: ${describe(error)}`);
  }
  if (wrong.length >= 20) break;
}
await bare[Symbol.asyncDispose]();
gpu.release();
process.stdout.write(`${JSON.stringify({ counts, wrong })}\n`);

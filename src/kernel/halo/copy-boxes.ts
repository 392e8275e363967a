/** The shader that copies boxes between memories. */

/** Words of a `Job`. */
export const JOB_WORDS = 12;
const THREADS = 64;
/** Words that a thread copies: few, because most boxes are small, and a thread loads all its words at once. */
const WORDS = 4;
/** Words that one workgroup copies. */
export const GROUP_WORDS = THREADS * WORDS;
/** Memories of a dispatch, at most: 16 bindings, of which the first has the jobs. */
export const MEMORIES_MAX = 15;

/** The shader for up to `memories` memories. A job selects them by index in a switch: WGSL has no arrays of buffers. */
export function copyBoxes(memories: number): string {
  const lines = (length: number, line: (at: number) => string) =>
    Array.from({ length }, (_, at) => line(at)).join("\n");
  const each = (line: (memory: number) => string) => lines(memories, line);
  const words = (line: (word: number) => string) => lines(WORDS, line);
  return `
/* A part of a box. The fields are vectors, because a vector is one load. */
struct Job {
  box: vec4<u32>, // the box's first word in the source and in the target; words of a row, rows of a plane
  steps: vec4<u32>, // words from row to row and from plane to plane, in the source and in the target
  part: vec4<u32>, // the part's first word in the box, its number of words; the source memory, the target memory
}
@group(0) @binding(0) var<storage, read> jobs: array<Job>;
${each((at) => `@group(0) @binding(${at + 1}) var<storage, read_write> memory${at}: array<u32>;`)}

fn load(memory: u32, at: u32) -> u32 {
  switch (memory) {
${each((at) => `    case ${at}u: { return memory${at}[at]; }`)}
    default: { return 0u; }
  }
}

fn store(memory: u32, at: u32, word: u32) {
  switch (memory) {
${each((at) => `    case ${at}u: { memory${at}[at] = word; }`)}
    default: {}
  }
}

/* The offsets of a word of the box in the source and in the target. Most boxes have one plane, and many have one word a
   row: the division, which takes as long as everything else, is skipped for them. */
fn offsets(job: Job, word: u32) -> vec2<u32> {
  var row = word;
  if (job.box.z != 1u) { row = word / job.box.z; }
  let column = word - row * job.box.z;
  var plane = 0u;
  if (row >= job.box.w) {
    plane = row / job.box.w;
    row -= plane * job.box.w;
  }
  return job.box.xy + column + row * job.steps.xz + plane * job.steps.yw;
}

@compute @workgroup_size(${THREADS})
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = group.y * groups.x + group.x;
  if (index >= arrayLength(&jobs)) { return; }
  let job = jobs[index];
  let count = job.part.y;
  /* A thread loads all its words before it stores one. */
${words((at) => `  let offset${at} = offsets(job, job.part.x + min(thread + ${at * THREADS}u, count - 1u));`)}
${words((at) => `  let word${at} = load(job.part.z, offset${at}.x);`)}
${words((at) => `  if (thread + ${at * THREADS}u < count) { store(job.part.w, offset${at}.y, word${at}); }`)}
}
`;
}

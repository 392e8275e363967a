/** The shader that copies boxes between memories. */

/** Words of a job, as `Job` has them. */
export const JOB_WORDS = 12;
const THREADS = 64;
/** That a thread copies: few, as most boxes are small, and all of them have to be under way at once. */
const WORDS = 4;
/** Words that one workgroup copies. */
export const GROUP_WORDS = THREADS * WORDS;
/** The first binding is the jobs. */
export const MEMORIES_MAX = 15;

/** For up to `memories` memories, which a job names by their binding: WGSL has no arrays of them. */
export function copyBoxes(memories: number): string {
  const lines = (length: number, line: (at: number) => string) =>
    Array.from({ length }, (_, at) => line(at)).join("\n");
  const each = (line: (memory: number) => string) => lines(memories, line);
  const words = (line: (word: number) => string) => lines(WORDS, line);
  return `
/* A part of a box. In vectors, as each of them is one load. */
struct Job {
  box: vec4<u32>, // its first word in the source and in the target; words of a row, rows of a plane
  steps: vec4<u32>, // words from row to row and from plane to plane, in the source and in the target
  part: vec4<u32>, // its first word in the box, and how many; the memories it is copied from and to
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

/* Where a word of the box is read, and where it is written. Most boxes are of one plane, and columns of one word a row:
   what is as long as all the rest, division, is left out for them. */
fn places(job: Job, word: u32) -> vec2<u32> {
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
  /* All of a thread's words are on their way at once. */
${words((at) => `  let place${at} = places(job, job.part.x + min(thread + ${at * THREADS}u, count - 1u));`)}
${words((at) => `  let word${at} = load(job.part.z, place${at}.x);`)}
${words((at) => `  if (thread + ${at * THREADS}u < count) { store(job.part.w, place${at}.y, word${at}); }`)}
}
`;
}

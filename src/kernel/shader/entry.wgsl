@compute @workgroup_size(LF_WORKGROUP)
fn main(@builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) group: vec3<u32>) { lf_main(thread, group); }

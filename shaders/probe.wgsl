// What subgroups do on this device: each lane's number received by broadcast, the size, the lane,
// the subgroup. src/gpu/probe.rs compares.

const SG: u32 = 8u; // tune

@group(0) @binding(0) var<storage, read_write> y: array<vec4<u32>>;

@compute @workgroup_size(64)
fn probe(@builtin(local_invocation_index) i: u32, @builtin(subgroup_invocation_id) lane: u32, @builtin(subgroup_size) size: u32, @builtin(subgroup_id) id: u32) {
  var seen = 0u;
  //@unroll
  for (var k = 0u; k < SG; k++) {
    seen = seen * 17u + subgroupBroadcast(lane + 1u, k);
  }
  y[i] = vec4<u32>(seen, size, lane, id);
}

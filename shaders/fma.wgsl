// use: index
// The most multiply-adds that a device does: independent chains in registers, nothing loaded. Only
// for measuring (the bench's probe counts them). Values stay small: x -> a x + b has its fixed
// point at b / (1 - a) = 1.

const CHAINS: u32 = 4u; // tune
const TURN: u32 = 16u;

struct Params {
  vec4s: u32,
  rounds: u32,
  a: f32,
  b: f32,
}
@group(1) @binding(0) var<uniform> p: Params;

@group(0) @binding(0) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn chains(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.vec4s) { return; }
  let a = vec4<f32>(p.a);
  let b = vec4<f32>(p.b);
  var x: array<vec4<f32>, CHAINS>;
  //@unroll
  for (var k = 0u; k < CHAINS; k++) {
    x[k] = vec4<f32>(f32(local + k), 0.0, 1.0, 2.0);
  }
  for (var round = 0u; round < p.rounds; round++) {
    //@unroll
    for (var t = 0u; t < TURN; t++) {
      //@unroll
      for (var k = 0u; k < CHAINS; k++) {
        x[k] = fma(x[k], a, b);
      }
    }
  }
  var sum = vec4<f32>(0.0);
  //@unroll
  for (var k = 0u; k < CHAINS; k++) {
    sum += x[k];
  }
  y[i] = sum;
}

// Where lib/wgrad_operands stores a gradient: in dW.

// 1: dW is added to what is there. A constant: a branch for every row of a tile takes one driver
// seconds to compile.
const ACCUMULATE: u32 = 0u; // tune

@group(0) @binding(2) var<storage, read_write> dw: array<vec4<f32>>;

fn put(at: u32, v: vec4<f32>) {
  if (ACCUMULATE == 0u) {
    dw[at] = v;
  } else {
    dw[at] = v + dw[at];
  }
}

// use: adam
// Where lib/wgrad_operands stores a gradient: nowhere, it is a step of Adam.

@group(0) @binding(2) var<storage, read_write> weight: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> moment1: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> moment2: array<vec4<f32>>;

fn put(at: u32, v: vec4<f32>) {
  let made = adam_step(v, weight[at], moment1[at], moment2[at], p.rates_at);
  weight[at] = made.weight;
  moment1[at] = made.moment1;
  moment2[at] = made.moment2;
}

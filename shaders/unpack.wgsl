// use: index
// Values in the layout of files, packed in 16 or 8 bits, as f32 in the layout of the device, [tap][row][column], padding included.
// One invocation per vec4 of columns of a row, for all taps. In the file a value lies at row * row_step + column * column_step + tap.
// What is written are bits: no infinity, NaN or subnormal passes through arithmetic that a device may simplify.

// 1: f16. 2: bf16. 3: i8, a value is code * scale: scales lie before the codes, one per `run` consecutive values, and begin again
// after `scales` of them.
const KIND: u32 = 1u; // tune

struct Params {
  vec4s: u32,
  width: u32,
  taps: u32,
  row_step: u32,
  column_step: u32,
  scales: u32,
  run: u32,
  row_part0: u32,
  row_part1: u32,
  row_part2: u32,
  row_part3: u32,
  part0: u32,
  part1: u32,
  part2: u32,
  part3: u32,
}
@group(1) @binding(0) var<uniform> p: Params;

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<u32>>;

fn from_f16(half: u32) -> u32 {
  let sign = (half & 0x8000u) << 16u;
  let exponent = half & 0x7c00u;
  let mantissa = half & 0x3ffu;
  // Biases 15 and 127.
  var bits = ((half & 0x7fffu) << 13u) + (112u << 23u);
  // Subnormal: whole multiples of 2^-24, which are normal in f32.
  if (exponent == 0u) { bits = bitcast<u32>(f32(mantissa) * 5.9604644775390625e-8); }
  // Infinite; NaN, made quiet.
  if (exponent == 0x7c00u) { bits = 0x7f800000u | (mantissa << 13u) | select(0u, 0x400000u, mantissa != 0u); }
  return sign | bits;
}

fn from_bf16(half: u32) -> u32 {
  return (half | select(0u, 0x40u, (half & 0x7fffu) > 0x7f80u)) << 16u;
}

// The bits of the value at i of the file.
fn value(i: u32, scale: f32) -> u32 {
  if (KIND == 3u) {
    let word = bitcast<i32>(x[p.scales + i / 4u]);
    return bitcast<u32>(f32((word << (24u - 8u * (i % 4u))) >> 24u) * scale);
  }
  let half = (x[i / 2u] >> (16u * (i % 2u))) & 0xffffu;
  if (KIND == 2u) { return from_bf16(half); }
  return from_f16(half);
}

fn scale_of(i: u32) -> f32 {
  if (KIND != 3u) { return 1.0; }
  return bitcast<f32>(x[(i / p.run) % p.scales]);
}

@compute @workgroup_size(WORKGROUP)
fn unpack(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.vec4s) { return; }
  let place = i / p.width;
  let row = lanes(place / 4u, vec4<u32>(p.row_part0, p.row_part1, p.row_part2, p.row_part3));
  let columns = lanes(i % p.width, vec4<u32>(p.part0, p.part1, p.part2, p.part3));
  let count = select(0u, columns.y, place % 4u < row.y);
  let first = (row.x + place % 4u) * p.row_step + columns.x * p.column_step;
  var scales = vec4<f32>(0.0);
  //@unroll
  for (var lane = 0u; lane < 4u; lane++) {
    if (lane < count) { scales[lane] = scale_of(first + lane * p.column_step); }
  }
  for (var tap = 0u; tap < p.taps; tap++) {
    var bits = vec4<u32>(0u);
    //@unroll
    for (var lane = 0u; lane < 4u; lane++) {
      if (lane < count) { bits[lane] = value(first + lane * p.column_step + tap, scales[lane]); }
    }
    y[tap * p.vec4s + i] = bits;
  }
}

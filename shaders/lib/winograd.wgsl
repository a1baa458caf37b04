// Winograd transforms in two dimensions, for k4 s1 layers and for the phases of k4 s2 layers:
// TILE x TILE results of TAPS x TAPS taps become N x N points, and what is left is one matrix product
// per point (lib/gemm_operands.wgsl).
//   forward and input gradient:  result = gather_tile(sum over channels of data(x) * spread_taps(w))
//   weight gradient:             dw     = gather_taps(sum over tiles    of data(x) * spread_tile(g))
// One invocation computes the N x N points (or the results) of one vec4 of channels.

// 1: a weight's gradient is added to what is there.
const ACCUMULATE: u32 = 0u; // tune
// Invocations that share the points of a map's tile, by rows: N x N vec4s of 6 points are more
// registers than a GPU has for an invocation. Neighbouring workgroups, so that what both read is
// near.
const PARTS: u32 = 1u; // tune
const PART: u32 = N / PARTS;

struct Params {
  invocations: u32,
  width: u32, // vec4s of channels of the map, or of a row of the weight
  phases: u32, // in each direction: 2 where the layer is strided
  first: u32, // tile of this round, and how many
  tiles: u32,
  tiles_h: u32,
  tiles_w: u32,
  h: u32, // of the map that is read or written
  w: u32,
  step: u32, // pixels from one place of a tile to the next
  shift: u32, // pixels from one phase to the next; 0 if there are no phases
  pad: i32,
  map_off: u32,
  map_stride: u32,
  slope: f32, // of a (leaky) ReLU that the map passes as it is loaded; 1: as it is
  point: u32, // vec4s from one point to the next, from one phase to the next, from one tile (weight: row) to the next
  phase: u32,
  line: u32,
  rows: u32, // of the weight, by tap
  kernel: u32,
  tap_first: i32, // tap = first + phase * by_phase + place * by_place
  tap_phase: i32,
  tap_place: i32,
  has_bias: u32,
  mask_off: u32,
  mask_stride: u32,
  mask_slope: f32,
  rates_at: u32, // of Adam, in the step uniform
}
@group(1) @binding(0) var<uniform> p: Params;

// The work of an invocation: its vec4 of channels, its tile (of a weight: row), its phase as a
// number and in each direction.
struct At {
  col: u32,
  line: u32,
  number: u32,
  phase: vec2<u32>,
}

fn locate(i: u32, lines: u32) -> At {
  let column = divmod(i, p.width);
  let line = divmod(column.x, lines);
  return At(column.y, line.y, line.x, vec2<u32>(line.x / p.phases, line.x % p.phases));
}

// Image and first pixel (y, x) of a tile.
fn tile_origin(tile: u32) -> vec3<u32> {
  let image = divmod(tile, p.tiles_h * p.tiles_w);
  return vec3<u32>(image.x, TILE * divmod(image.y, p.tiles_w));
}

fn points_at(at: At) -> u32 { return at.number * p.phase + at.line * p.line + at.col; }

@group(0) @binding(0) var<storage, read> map: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> points_out: array<vec4<f32>>;

// A pixel of the map or its padding, 0 outside: the last tiles reach further.
fn load_map(image: u32, y: i32, x: i32, col: u32) -> vec4<f32> {
  let size = vec2<i32>(i32(p.h), i32(p.w));
  let edge = vec2<i32>(select(0, p.pad, BORDER != 0u));
  let ok = inside(vec2<i32>(y, x) + edge, size + 2 * edge);
  let i = seen(vec2<i32>(y, x), size);
  let pixel = select(0u, (image * p.h + u32(i.x)) * p.w + u32(i.y), ok);
  let v = select(vec4<f32>(0.0), map[p.map_off + pixel * p.map_stride + col], ok);
  return select(v * p.slope, v, v > vec4<f32>(0.0));
}

// The N x N pixels under a tile and its taps. Tiles past the last are zero: weight gradients sum
// over them.
@compute @workgroup_size(WORKGROUP)
fn wino_data(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let workgroup = group.y * groups.x + group.x;
  let i = workgroup / PARTS * WORKGROUP + local;
  if (i >= p.invocations) { return; }
  let at = locate(i, (p.tiles + 3u) / 4u * 4u);
  let inside = at.line < p.tiles;
  let origin = tile_origin(p.first + min(at.line, p.tiles - 1u));
  let first = vec2<i32>(origin.yz * p.step + at.phase * p.shift) - p.pad;
  let to = points_at(at);
  //@unroll
  for (var part = 0u; part < PARTS; part++) {
    if (workgroup % PARTS == part) {
      var v: array<vec4<f32>, PART * N>;
      //@unroll
      for (var j = 0u; j < N; j++) {
        var line: array<vec4<f32>, N>;
        //@unroll
        for (var k = 0u; k < N; k++) {
          line[k] = load_map(origin.x, first.x + i32(k * p.step), first.y + i32(j * p.step), at.col);
        }
        let done = data_1d(line);
        //@unroll
        for (var k = 0u; k < PART; k++) {
          v[k * N + j] = done[part * PART + k];
        }
      }
      //@unroll
      for (var j = 0u; j < PART; j++) {
        var line: array<vec4<f32>, N>;
        //@unroll
        for (var k = 0u; k < N; k++) {
          line[k] = v[j * N + k];
        }
        let done = data_1d(line);
        //@unroll
        for (var k = 0u; k < N; k++) {
          points_out[((part * PART + j) * N + k) * p.point + to] = select(vec4<f32>(0.0), done[k], inside);
        }
      }
    }
  }
}

// The TAPS x TAPS taps of a phase of the weight [tap][ci][co].
@compute @workgroup_size(WORKGROUP)
fn wino_taps(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.invocations) { return; }
  let at = locate(i, p.rows);
  let first = vec2<i32>(p.tap_first) + vec2<i32>(at.phase) * p.tap_phase;
  var v: array<vec4<f32>, N * TAPS>;
  //@unroll
  for (var j = 0u; j < TAPS; j++) {
    var line: array<vec4<f32>, TAPS>;
    //@unroll
    for (var k = 0u; k < TAPS; k++) {
      let tap = first + vec2<i32>(i32(k), i32(j)) * p.tap_place;
      line[k] = map[(u32(tap.x) * p.kernel + u32(tap.y)) * p.rows * p.width + at.line * p.width + at.col];
    }
    let done = spread_taps(line);
    //@unroll
    for (var k = 0u; k < N; k++) {
      v[k * TAPS + j] = done[k];
    }
  }
  let to = points_at(at);
  //@unroll
  for (var j = 0u; j < N; j++) {
    var line: array<vec4<f32>, TAPS>;
    //@unroll
    for (var k = 0u; k < TAPS; k++) {
      line[k] = v[j * TAPS + k];
    }
    let done = spread_taps(line);
    //@unroll
    for (var k = 0u; k < N; k++) {
      points_out[(j * N + k) * p.point + to] = done[k];
    }
  }
}

// The TILE x TILE pixels of a tile of the map that a weight gradient is anchored at.
@compute @workgroup_size(WORKGROUP)
fn wino_tile(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.invocations) { return; }
  let at = locate(i, (p.tiles + 3u) / 4u * 4u);
  let inside = at.line < p.tiles;
  let origin = tile_origin(p.first + min(at.line, p.tiles - 1u));
  var v: array<vec4<f32>, N * TILE>;
  //@unroll
  for (var j = 0u; j < TILE; j++) {
    var line: array<vec4<f32>, TILE>;
    //@unroll
    for (var k = 0u; k < TILE; k++) {
      line[k] = load_map(origin.x, i32(origin.y + k), i32(origin.z + j), at.col);
    }
    let done = spread_tile(line);
    //@unroll
    for (var k = 0u; k < N; k++) {
      v[k * TILE + j] = done[k];
    }
  }
  let to = points_at(at);
  //@unroll
  for (var j = 0u; j < N; j++) {
    var line: array<vec4<f32>, TILE>;
    //@unroll
    for (var k = 0u; k < TILE; k++) {
      line[k] = v[j * TILE + k];
    }
    let done = spread_tile(line);
    //@unroll
    for (var k = 0u; k < N; k++) {
      points_out[(j * N + k) * p.point + to] = select(vec4<f32>(0.0), done[k], inside);
    }
  }
}

@group(0) @binding(0) var<storage, read> points: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> mask: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;

// The results of a tile.
@compute @workgroup_size(WORKGROUP)
fn wino_result(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.invocations) { return; }
  let at = locate(i, p.tiles);
  let source = points_at(at);
  var v: array<vec4<f32>, TILE * N>;
  //@unroll
  for (var j = 0u; j < N; j++) {
    var line: array<vec4<f32>, N>;
    //@unroll
    for (var k = 0u; k < N; k++) {
      line[k] = points[(k * N + j) * p.point + source];
    }
    let done = gather_tile(line);
    //@unroll
    for (var k = 0u; k < TILE; k++) {
      v[k * N + j] = done[k];
    }
  }
  let origin = tile_origin(p.first + at.line);
  let b = bias_of(at.col);
  //@unroll
  for (var j = 0u; j < TILE; j++) {
    var line: array<vec4<f32>, N>;
    //@unroll
    for (var k = 0u; k < N; k++) {
      line[k] = v[j * N + k];
    }
    let done = gather_tile(line);
    let oy = (origin.y + j) * p.step + at.phase.x * p.shift;
    //@unroll
    for (var k = 0u; k < TILE; k++) {
      let ox = (origin.z + k) * p.step + at.phase.y * p.shift;
      if (oy < p.h && ox < p.w) {
        let pixel = (origin.x * p.h + oy) * p.w + ox;
        y[p.map_off + pixel * p.map_stride + at.col] = finish(done[k] + b, pixel, at.col);
      }
    }
  }
}

// The taps of a phase of the weight's gradient.
fn taps_of(at: At) -> array<vec4<f32>, TAPS * TAPS> {
  let source = points_at(at);
  var v: array<vec4<f32>, TAPS * N>;
  //@unroll
  for (var j = 0u; j < N; j++) {
    var line: array<vec4<f32>, N>;
    //@unroll
    for (var k = 0u; k < N; k++) {
      line[k] = points[(k * N + j) * p.point + source];
    }
    let done = gather_taps(line);
    //@unroll
    for (var k = 0u; k < TAPS; k++) {
      v[k * N + j] = done[k];
    }
  }
  var taps: array<vec4<f32>, TAPS * TAPS>;
  //@unroll
  for (var j = 0u; j < TAPS; j++) {
    var line: array<vec4<f32>, N>;
    //@unroll
    for (var k = 0u; k < N; k++) {
      line[k] = v[j * N + k];
    }
    let done = gather_taps(line);
    //@unroll
    for (var k = 0u; k < TAPS; k++) {
      taps[j * TAPS + k] = done[k];
    }
  }
  return taps;
}

// Where tap (j, k) of those lies in the weight.
fn tap_at(at: At, j: u32, k: u32) -> u32 {
  let first = vec2<i32>(p.tap_first) + vec2<i32>(at.phase) * p.tap_phase;
  let tap = first + vec2<i32>(i32(j), i32(k)) * p.tap_place;
  return (u32(tap.x) * p.kernel + u32(tap.y)) * p.rows * p.width + at.line * p.width + at.col;
}

@group(0) @binding(1) var<storage, read_write> dw: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn wino_dw(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.invocations) { return; }
  let at = locate(i, p.rows);
  let taps = taps_of(at);
  //@unroll
  for (var j = 0u; j < TAPS; j++) {
    //@unroll
    for (var k = 0u; k < TAPS; k++) {
      let to = tap_at(at, j, k);
      if (ACCUMULATE == 0u) {
        dw[to] = taps[j * TAPS + k];
      } else {
        dw[to] = taps[j * TAPS + k] + dw[to];
      }
    }
  }
}

@group(0) @binding(1) var<storage, read_write> weight: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> moment1: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> moment2: array<vec4<f32>>;

// The gradient goes into a step of Adam.
@compute @workgroup_size(WORKGROUP)
fn wino_dw_adam(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.invocations) { return; }
  let at = locate(i, p.rows);
  let taps = taps_of(at);
  //@unroll
  for (var j = 0u; j < TAPS; j++) {
    //@unroll
    for (var k = 0u; k < TAPS; k++) {
      let to = tap_at(at, j, k);
      let made = adam_step(taps[j * TAPS + k], weight[to], moment1[to], moment2[to], p.rates_at);
      weight[to] = made.weight;
      moment1[to] = made.moment1;
      moment2[to] = made.moment2;
    }
  }
}

// Reductions. A workgroup is COLUMNS columns of ROWS invocations. The items of a column are shared
// out to its rows (row r takes items r, r + ROWS ...), neighbouring invocations are neighbouring
// columns, and the results of the rows are joined in workgroup memory: the upper half onto the
// lower, until one is left. Always in this order, so the same operands give the same bits. With one
// row (CPU drivers, which pay for barriers) there is nothing to join and no barrier.

const COLUMNS: u32 = 64u; // tune
const ROWS: u32 = 1u; // tune
const INVOCATIONS: u32 = COLUMNS * ROWS;

var<workgroup> rows_a: array<vec4<f32>, INVOCATIONS>;
var<workgroup> rows_b: array<vec4<f32>, INVOCATIONS>;

struct Seat {
  column: u32, // over the whole grid; there may be more columns than work
  row: u32,
}

fn seat(group: vec3<u32>, groups: vec3<u32>, local: u32) -> Seat {
  return Seat((group.y * groups.x + group.x) * COLUMNS + local % COLUMNS, local / COLUMNS);
}

// How many of `count` items a row takes.
fn share_of(count: u32, row: u32) -> u32 {
  return (count + (ROWS - 1u - row)) / ROWS;
}

// The sum over the rows of a column; row 0 gets it. All invocations have to call it.
fn add_rows(v: vec4<f32>, local: u32) -> vec4<f32> {
  if (ROWS == 1u) { return v; }
  var total = v;
  rows_a[local] = v;
  for (var span = INVOCATIONS / 2u; span >= COLUMNS; span = span / 2u) {
    workgroupBarrier();
    if (local < span) {
      total = total + rows_a[local + span];
      rows_a[local] = total;
    }
  }
  return total;
}

struct Pair {
  a: vec4<f32>,
  b: vec4<f32>,
}

// What row 0 of a column has, for all its rows. All invocations have to call it.
fn from_first(v: Pair, local: u32) -> Pair {
  if (ROWS == 1u) { return v; }
  if (local < COLUMNS) {
    rows_a[local] = v.a;
    rows_b[local] = v.b;
  }
  workgroupBarrier();
  return Pair(rows_a[local % COLUMNS], rows_b[local % COLUMNS]);
}

// As add_rows, two sums at once.
fn add_pairs(v: Pair, local: u32) -> Pair {
  if (ROWS == 1u) { return v; }
  var total = v;
  rows_a[local] = v.a;
  rows_b[local] = v.b;
  for (var span = INVOCATIONS / 2u; span >= COLUMNS; span = span / 2u) {
    workgroupBarrier();
    if (local < span) {
      total = Pair(total.a + rows_a[local + span], total.b + rows_b[local + span]);
      rows_a[local] = total.a;
      rows_b[local] = total.b;
    }
  }
  return total;
}

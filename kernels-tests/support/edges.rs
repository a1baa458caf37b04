//! The steps of the edge filter on the CPU, on one map of `w` by `h` after another.

/// Blur of SciPy's `gaussian_filter(x, sigma, mode="nearest", truncate=4)` on maps with `c`
/// channels.
pub fn blur(x: &[f64], [n, h, w, c]: [usize; 4], sigma: f64) -> Vec<f64> {
    let radius = (4.0 * sigma + 0.5) as i64;
    let weight = |k: i64| (-0.5 * (k as f64 / sigma).powi(2)).exp();
    let total: f64 = (-radius..=radius).map(weight).sum();
    let pass = |x: &[f64], down: bool| -> Vec<f64> {
        let at = |i: usize, k: i64| {
            let (channel, column, row, image) = (i % c, i / c % w, i / c / w % h, i / c / w / h);
            let moved =
                |place: usize, side: usize| (place as i64 + k).clamp(0, side as i64 - 1) as usize;
            let (row, column) =
                if down { (moved(row, h), column) } else { (row, moved(column, w)) };
            x[((image * h + row) * w + column) * c + channel]
        };
        (0..n * h * w * c)
            .map(|i| (-radius..=radius).map(|k| weight(k) / total * at(i, k)).sum())
            .collect()
    };
    pass(&pass(x, false), true)
}

/// (across, down) by Sobel's filters; borders repeated.
pub fn sobel(x: &[f64], [n, h, w]: [usize; 3]) -> Vec<[f64; 2]> {
    let at = |image: usize, row: i64, column: i64| {
        x[(image * h + row.clamp(0, h as i64 - 1) as usize) * w
            + column.clamp(0, w as i64 - 1) as usize]
    };
    let one = |i: usize| {
        let (column, row, image) = ((i % w) as i64, (i / w % h) as i64, i / w / h);
        let smooth = [(-1, 1.0), (0, 2.0), (1, 1.0)];
        let across = smooth
            .iter()
            .map(|(k, f)| f * (at(image, row + k, column + 1) - at(image, row + k, column - 1)))
            .sum();
        let down = smooth
            .iter()
            .map(|(k, f)| f * (at(image, row + 1, column + k) - at(image, row - 1, column + k)))
            .sum();
        [across, down]
    };
    (0..n * h * w).map(one).collect()
}

/// 2, 1 or 0 from (across, down, length): the length is compared with two points, one pixel further
/// in the larger direction.
pub fn non_maximum(g: &[[f64; 3]], [n, h, w]: [usize; 3], low: f64, high: f64) -> Vec<f64> {
    let one = |i: usize| {
        let (column, row, first) = (i % w, i / w % h, i / w / h * h * w);
        let [gx, gy, m] = g[i];
        if row == 0 || column == 0 || row + 1 == h || column + 1 == w || m < low {
            return 0.0;
        }
        // By linear interpolation at (column, row) + s (gx, gy) / max(|gx|, |gy|).
        let large = gx.abs().max(gy.abs());
        let point = |s: f64| {
            let (px, py) = (column as f64 + s * gx / large, row as f64 + s * gy / large);
            let (x0, y0) = (px.floor() as usize, py.floor() as usize);
            let (fx, fy) = (px - px.floor(), py - py.floor());
            let m = |x: usize, y: usize| g[first + y.min(h - 1) * w + x.min(w - 1)][2];
            (m(x0, y0) * (1.0 - fx) + m(x0 + 1, y0) * fx) * (1.0 - fy)
                + (m(x0, y0 + 1) * (1.0 - fx) + m(x0 + 1, y0 + 1) * fx) * fy
        };
        let maximum = large == 0.0 || (point(1.0) <= m && point(-1.0) <= m);
        f64::from(u8::from(maximum) + u8::from(maximum && m >= high))
    };
    (0..n * h * w).map(one).collect()
}

/// Existing neighbours of a pixel, clockwise from the top.
fn around(i: usize, [_, h, w]: [usize; 3]) -> [Option<usize>; 8] {
    let (column, row) = ((i % w) as i64, (i / w % h) as i64);
    [(0, -1), (1, -1), (1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1)].map(|(x, y)| {
        let inside = (0..w as i64).contains(&(column + x)) && (0..h as i64).contains(&(row + y));
        inside.then(|| (i as i64 + y * w as i64 + x) as usize)
    })
}

/// Components by flooding: pixels of each, in no order.
pub fn flooded(x: &[f64], shape: [usize; 3]) -> Vec<Vec<usize>> {
    let mut seen = vec![false; x.len()];
    let mut all = Vec::new();
    for start in 0..x.len() {
        if seen[start] || x[start] <= 0.0 {
            continue;
        }
        seen[start] = true;
        let mut component = vec![start];
        let mut next = 0;
        while next < component.len() {
            for there in around(component[next], shape).into_iter().flatten() {
                if !seen[there] && x[there] > 0.0 {
                    seen[there] = true;
                    component.push(there);
                }
            }
            next += 1;
        }
        all.push(component);
    }
    all
}

/// 1 in components of at least `pixels` pixels with one of at least `level`.
pub fn components(x: &[f64], shape: [usize; 3], level: f64, pixels: usize) -> Vec<f64> {
    let mut y = vec![0.0; x.len()];
    for component in flooded(x, shape) {
        if component.len() >= pixels && component.iter().any(|i| x[*i] >= level) {
            component.iter().for_each(|i| y[*i] = 1.0);
        }
    }
    y
}

/// Guo and Hall's thinning by the words of the paper, on sets.
pub fn thin(x: &[f64], shape: [usize; 3], iterations: usize) -> Vec<f64> {
    let mut now: Vec<bool> = x.iter().map(|v| *v > 0.0).collect();
    for half in 0..2 * iterations {
        let goes = |i: usize| {
            let p = around(i, shape).map(|n| n.is_some_and(|n| now[n]));
            let or = |a: usize, b: usize| p[a % 8] || p[b % 8];
            // Runs of neighbours that do not touch by a side.
            let runs = (0..8).step_by(2).filter(|k| !p[*k] && or(k + 1, k + 2)).count();
            let pairs = |from: usize| (from..from + 8).step_by(2).filter(|k| or(*k, k + 1)).count();
            let ends = pairs(7).min(pairs(0));
            let side = if half % 2 == 0 {
                (or(4, 5) || !p[7]) && p[6]
            } else {
                (or(0, 1) || !p[3]) && p[2]
            };
            now[i] && runs == 1 && (2..=3).contains(&ends) && !side
        };
        now = (0..now.len()).map(|i| now[i] && !goes(i)).collect();
    }
    now.into_iter().map(|v| f64::from(u8::from(v))).collect()
}

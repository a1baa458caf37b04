//! Costs on the host: recording and planning a training step, encoding one, and the memory of tapes
//! and plans. `cargo bench --bench host`, `cargo bench --bench host -- plan` for some of it.
//!
//! Goals: pix2pix at 256x256 is recorded and planned within 150 ms (before anything happens on
//! the screen), and encoding takes at most 2 µs per dispatch.

use criterion::{Criterion, criterion_group, criterion_main};
use pixtape::gpu::Family;
use pixtape::nets::{Generator, Mode, UnetConfig};
use pixtape::train::{Pix2Pix, Pix2PixConfig};
use pixtape::{Error, Gpu, PlanOptions, Shape, Store, Tape};
use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Counts what is allocated.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all calls go to the system allocator; the counters do not affect it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        PEAK.fetch_max(LIVE.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes that a value keeps, and the peak while it was made.
fn bytes<T>(make: impl FnOnce() -> T) -> (T, usize, usize) {
    let before = LIVE.load(Relaxed);
    PEAK.store(before, Relaxed);
    let value = make();
    (value, LIVE.load(Relaxed) - before, PEAK.load(Relaxed) - before)
}

fn config(side: u32, downs: u32, width: u32) -> Pix2PixConfig {
    Pix2PixConfig {
        generator: UnetConfig { ngf: width, downs, ..UnetConfig::default() }.into(),
        ndf: width,
        width: side,
        height: side,
        ..Pix2PixConfig::default()
    }
}

/// A generator's forward and backward pass on a tape.
fn tape() -> Tape {
    let (mut store, mut tape) = (Store::new(), Tape::new());
    let net = Generator::new(&mut store, "G", config(256, 8, 64).generator).expect("a net");
    let x = tape.input("x", Shape::new(1, 256, 256, 3));
    let y = net.record(&mut tape, &store, x, Mode::TRAIN).expect("a size that fits");
    let loss = tape.mean(y);
    let wrt = net.weights().trainable(&mut tape, &store);
    tape.backward(&[loss], &wrt).expect("everything has a derivative");
    tape
}

fn plan(c: &mut Criterion) {
    let config = config(256, 8, 64);
    let mut group = c.benchmark_group("record and plan pix2pix-256");
    for family in [Family::Workgroup, Family::Register, Family::Subgroup(8)] {
        let plan = || Pix2Pix::plan(&config, family, PlanOptions::default()).expect("a plan");
        group.bench_function(family.to_string(), |b| b.iter(|| black_box(plan())));
    }
    group.finish();
    c.bench_function("record unet_256 and its derivative", |b| b.iter(|| black_box(tape())));
}

/// Not a time, so not criterion's.
fn memory(_: &mut Criterion) {
    let kib = |bytes: usize| bytes as f64 / 1024.0;
    let (tape, kept, most) = bytes(tape);
    println!(
        "tape of unet_256 and its derivative: {} nodes, {:.1} KiB (at most {:.1})",
        tape.nodes().len(),
        kib(kept),
        kib(most)
    );
    let (plan, kept, most) = bytes(|| {
        Pix2Pix::plan(&config(256, 8, 64), Family::Workgroup, PlanOptions::default())
            .expect("a plan")
    });
    println!(
        "plan of pix2pix-256: {} nodes, {:.1} KiB (at most {:.1}, tape and store included)\n",
        plan.nodes().len(),
        kib(kept),
        kib(most)
    );
}

fn encode(c: &mut Criterion) {
    let gpu = match pollster::block_on(Gpu::request(&Default::default())) {
        Err(Error::Adapter(message)) => {
            return println!("encoding: SKIPPED (no adapter): {message}");
        }
        found => found.expect("a device"),
    };
    // A small network has as many dispatches as a large one, and little memory.
    let trainer = Pix2Pix::new(&gpu, config(256, 8, 2), PlanOptions::default()).expect("a trainer");
    let program = trainer.program();
    let dispatches = program.dispatch_count() as u32;
    println!("a step of {dispatches} dispatches on {}; times are per dispatch", gpu.name());
    c.bench_function("encode, never submitted", |b| {
        let round = || {
            let start = Instant::now();
            let mut encoder = gpu.device().create_command_encoder(&Default::default());
            program.encode(&mut encoder, 0..dispatches as usize);
            black_box(encoder.finish());
            start.elapsed()
        };
        b.iter_custom(|rounds| (0..rounds).map(|_| round()).sum::<Duration>() / dispatches);
    });
    if gpu.is_software() {
        return println!("encode and submit: SKIPPED (a software adapter computes in the submit)");
    }
    let mut step = 0;
    c.bench_function("encode and submit", |b| {
        let mut round = || {
            step += 1;
            let start = Instant::now();
            program.step(&trainer.values(step, 2e-4)).expect("a step");
            let spent = start.elapsed();
            gpu.wait("step").expect("a step");
            spent
        };
        b.iter_custom(|rounds| (0..rounds).map(|_| round()).sum::<Duration>() / dispatches);
    });
}

criterion_group! {
    name = host;
    config = Criterion::default().sample_size(20).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    targets = memory, plan, encode
}
criterion_main!(host);

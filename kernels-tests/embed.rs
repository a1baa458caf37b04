//! The engine inside another program: a device made by the host, the host's encoder,
//! and what goes wrong with devices.

mod support;

use pixtape::gpu::{Access, Kernel};
use pixtape::ops::{Act, BatchNorm, NormMode};
use pixtape::plan::Rate;
use pixtape::store::{Layout, Param};
use pixtape::{Conv, Error, Gpu, Plan, Program, Shape, StepValues, Store, Tape, Tensor};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use support::device::{descriptor, stranger, stranger_of};

/// A small net with everything a training step has: forward, loss, backward, Adam.
struct Net {
    store: Store,
    param: Param,
    gamma: Param,
    x: Tensor,
    loss: Tensor,
    plan: Plan,
}

fn net(gpu: &Gpu) -> Net {
    let (mut store, mut tape) = (Store::new(), Tape::new());
    let layout = Layout::Conv { ci: 3.into(), co: 8, kernel: 3 };
    let param = store.param("N", "w", layout);
    let vectors = ["gamma", "beta"].map(|name| store.param("N", name, Layout::Vector(8.into())));
    let scale = vectors[0].clone();
    let pages = store.pages("N");
    let x = tape.input("x", Shape::new(1, 16, 16, 3));
    let w = tape.param(&store, &param);
    let [gamma, beta] = vectors.map(|v| tape.param(&store, &v));
    tape.scope("N");
    let h = tape.conv2d(x, w, None, Conv::new(3, 1, 1)).unwrap();
    let h = tape.batch_norm(h, gamma, beta, None, NormMode::Batch, BatchNorm::default()).unwrap();
    let h = tape.act(h, Act::LeakyRelu(0.2));
    let loss = tape.mse(h, 0.5);
    tape.backward(&[loss], &[w, gamma, beta]).unwrap();
    pages.iter().for_each(|page| tape.adam(&store, page, 0));
    let plan =
        Plan::new(&tape, &store, &[loss], gpu.family(), crate::support::plan_options()).unwrap();
    Net { store, param, gamma: scale, x, loss, plan }
}

fn step_values(step: u32) -> StepValues {
    StepValues {
        step,
        seed: 1,
        rates: [Rate { lr: 1e-2, beta1: 0.5, beta2: 0.999, eps: 1e-8, t: step }; 4],
    }
}

struct Ready {
    store: Store,
    param: Param,
    loss: Tensor,
    x: Tensor,
    program: Program,
}

fn ready(gpu: &Gpu) -> Ready {
    ready_by(gpu, |plan, store| plan.prepare(gpu, store))
}

fn ready_by(gpu: &Gpu, prepare: impl FnOnce(Plan, &Store) -> pixtape::Result<Program>) -> Ready {
    let Net { store, param, gamma, x, loss, plan } = net(gpu);
    let program = prepare(plan, &store).unwrap();
    program.write(x, &support::reals(16 * 16 * 3, 1, -1.0, 1.0)).unwrap();
    store
        .write(
            gpu,
            param.value,
            &param.layout,
            &support::reals(param.layout.elements(), 2, -0.5, 0.5),
        )
        .unwrap();
    store.write(gpu, gamma.value, &gamma.layout, &[1.0; 8]).unwrap();
    Ready { store, param, loss, x, program }
}

impl Ready {
    fn loss(&self) -> f32 {
        pollster::block_on(self.program.read(self.loss)).unwrap()[0]
    }

    fn weights(&self) -> Vec<f32> {
        pollster::block_on(self.store.read(
            self.program.gpu(),
            self.param.value,
            &self.param.layout,
        ))
        .unwrap()
    }
}

#[test]
fn a_host_encodes_steps_on_its_own_device_among_its_own_work() {
    let Some((device, queue)) = stranger() else { return };
    let uncaptured = Arc::new(AtomicU32::new(0));
    let seen = uncaptured.clone();
    device.on_uncaptured_error(Arc::new(move |_| {
        seen.fetch_add(1, Ordering::SeqCst);
    }));
    let gpu = Gpu::from_parts(device.clone(), queue.clone()).unwrap();
    assert!(
        !gpu.device().features().contains(wgpu::Features::SUBGROUP),
        "the stranger asked for no features"
    );

    let ours = ready(&gpu);
    let compiled = gpu.pipeline_count();
    let mut stepped = Vec::new();
    for step in 1..=3 {
        ours.program.step(&step_values(step)).unwrap();
        stepped.push(ours.loss());
    }
    assert!(stepped.is_sorted_by(|a, b| a > b), "it does not learn: {stepped:?}");

    // The host's encoder: a copy of its own before, the step in two parts, a copy of its own
    // behind.
    let theirs = ready(&gpu);
    let buffer = |usage| {
        device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("host's"),
            size: 64,
            usage,
            mapped_at_creation: false,
        })
    };
    let (from, to) = (
        buffer(wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST),
        buffer(wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST),
    );
    let mut encoded = Vec::new();
    for step in 1..=3u32 {
        queue.write_buffer(&from, 0, &[step as u8; 64]);
        theirs.program.set_step(&step_values(step));
        let mut encoder = device.create_command_encoder(&Default::default());
        let count = theirs.program.dispatch_count();
        theirs.program.encode(&mut encoder, 0..count / 2);
        encoder.copy_buffer_to_buffer(&from, 0, &to, 0, 64);
        theirs.program.encode(&mut encoder, count / 2..count);
        queue.submit([encoder.finish()]);
        encoded.push(theirs.loss());
        assert_eq!(
            pollster::block_on(pixtape::gpu::read_buffer(&gpu, &to, 0, 64, "host's")).unwrap(),
            [step as u8; 64]
        );
    }
    assert_eq!(stepped, encoded, "a step that the host encodes is the step");
    assert_eq!(ours.weights(), theirs.weights());
    assert_eq!(
        gpu.pipeline_count(),
        compiled,
        "nothing is compiled in a step, nor twice for two programs"
    );

    // The host's error handler is still the host's, and heard nothing of ours until now.
    assert_eq!(uncaptured.load(Ordering::SeqCst), 0);
    let _ = device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: 1 << 62,
        usage: wgpu::BufferUsages::STORAGE,
        mapped_at_creation: false,
    });
    assert_eq!(uncaptured.load(Ordering::SeqCst), 1);
}

/// Losses of three steps and the bits of the weights after them.
fn three_steps(r: &Ready) -> (Vec<u32>, Vec<u32>) {
    let losses = (1..=3).map(|step| {
        r.program.step(&step_values(step)).unwrap();
        r.loss().to_bits()
    });
    (losses.collect(), r.weights().into_iter().map(f32::to_bits).collect())
}

/// A net made ready by way of `prepare_with`, and what was reported meanwhile.
fn reported(gpu: &Gpu) -> (Ready, Vec<(usize, usize)>) {
    let mut calls = Vec::new();
    let ready = ready_by(gpu, |plan, store| {
        plan.prepare_with(gpu, store, &mut |done, total| calls.push((done, total)))
    });
    (ready, calls)
}

fn reports_every_kernel_once_and_changes_no_result(fresh: impl Fn() -> Gpu) {
    let gpu = fresh();
    let before = gpu.pipeline_count();
    let (with, calls) = reported(&gpu);
    let made = gpu.pipeline_count() - before;
    assert!(made > 8, "{made} kernels");
    assert_eq!(calls, (1..=made).map(|done| (done, made)).collect::<Vec<_>>());
    assert_eq!(reported(&gpu).1, [], "what is there is not compiled again");
    assert_eq!(
        three_steps(&with),
        three_steps(&ready(&fresh())),
        "the same bits, however it was prepared"
    );
}

#[test]
fn preparation_on_a_host_s_device_reports_every_kernel_once_and_changes_no_result() {
    if support::gpu().is_some() {
        reports_every_kernel_once_and_changes_no_result(|| {
            let (device, queue) = stranger().expect("it was there just now");
            Gpu::from_parts(device, queue).unwrap()
        });
    }
}

#[test]
fn so_does_preparation_on_our_own_device_with_the_help_of_others() {
    if support::gpu().is_none() {
        return;
    }
    let mark = "PIXTAPE_TEST_COLD";
    if std::env::var_os(mark).is_some() {
        return reports_every_kernel_once_and_changes_no_result(|| {
            pollster::block_on(Gpu::request(&support::request())).unwrap()
        });
    }
    // Others help with what the driver has not on the disk: once more, in a process where it has
    // nothing there.
    let folder = std::env::temp_dir().join(format!("pixtape-cold-{}", std::process::id()));
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    again
        .args(["--exact", "so_does_preparation_on_our_own_device_with_the_help_of_others"])
        .env(mark, "1");
    let status = again
        .env("MESA_SHADER_CACHE_DIR", &folder)
        .env("MESA_SHADER_CACHE_DISABLE", "false")
        .status();
    let _ = std::fs::remove_dir_all(folder);
    assert!(status.unwrap().success());
}

#[test]
fn pipelines_go_out_as_bytes_and_come_back_in_and_bytes_that_are_none_do_no_harm() {
    let fresh = || pollster::block_on(Gpu::request(&support::request())).unwrap();
    if support::gpu().is_none() {
        return;
    }
    let first = fresh();
    // SAFETY: no data.
    unsafe { first.open_pipeline_cache(None) }.unwrap();
    let expected = three_steps(&ready(&first));
    let data = first.pipeline_cache_data();
    assert_eq!(data.is_some(), first.pipeline_cache_key().is_some(), "{}", first.name());
    let Some(data) = data else {
        eprintln!("SKIPPED (no pipeline cache on {})", first.name());
        return;
    };
    // wgpu looks at its own header first, so these never reach the driver.
    for data in [&data[..], &data[..data.len() / 2], &data[..3], b"garbage", b""] {
        let next = fresh();
        // SAFETY: what the device gave, or what its header gives away.
        unsafe { next.open_pipeline_cache(Some(data)) }.unwrap();
        assert_eq!(three_steps(&ready(&next)), expected, "{} bytes", data.len());
        assert!(next.pipeline_cache_data().is_some());
    }
}

#[test]
fn two_threads_share_a_device() {
    let Some((device, queue)) = stranger() else { return };
    let gpu = Gpu::from_parts(device, queue).unwrap();
    let run = || (0..3).map(|_| three_steps(&ready(&gpu))).collect::<Vec<_>>();
    let results = std::thread::scope(|scope| {
        let threads = [scope.spawn(run), scope.spawn(run)];
        threads.map(|t| t.join().expect("no panic"))
    });
    assert!(results.iter().flatten().all(|r| *r == results[0][0]), "{results:?}");
}

#[test]
fn a_device_with_too_little_is_refused_with_both_numbers() {
    type Change = (&'static str, fn(&mut wgpu::Limits));
    let rows: [Change; 5] = [
        ("storage buffers per stage", |l| l.max_storage_buffers_per_shader_stage = 5),
        ("bytes per storage binding", |l| l.max_storage_buffer_binding_size = 64 << 20),
        ("invocations per workgroup", |l| {
            l.max_compute_invocations_per_workgroup = 128;
            l.max_compute_workgroup_size_x = 128;
            l.max_compute_workgroup_size_y = 128;
        }),
        ("bytes of workgroup memory", |l| l.max_compute_workgroup_storage_size = 8192),
        ("workgroups per dimension", |l| l.max_compute_workgroups_per_dimension = 1024),
    ];
    for (what, change) in rows {
        let Some((device, queue)) = stranger_of(descriptor(), change) else { return };
        let error = Gpu::from_parts(device, queue).unwrap_err();
        let message = error.to_string();
        let Error::Limit { needed, available, .. } = error else { panic!("{what}: {message}") };
        assert!(needed.ends_with(what), "{message}");
        let number = |text: &str| text.split(' ').next().unwrap().parse::<u64>().unwrap();
        assert!(number(&available) < number(&needed), "{message}");
    }
}

#[test]
fn a_lost_device_is_an_error_and_never_a_panic() {
    let Some((device, queue)) = stranger() else { return };
    let theirs = Gpu::from_parts(device, queue).unwrap();
    let ours = pollster::block_on(Gpu::request(&support::request())).unwrap();
    for (gpu, who) in [(&ours, "ours"), (&theirs, "the host's")] {
        let r = ready(gpu);
        r.program.step(&step_values(1)).unwrap();
        let mut ring = r.program.scalars(&[r.loss], 2).unwrap();
        ring.push(1).unwrap();
        let told = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
        let counts = told.clone();
        gpu.on_failure(move |error| {
            assert!(matches!(error, Error::DeviceLost { .. }), "{error}");
            counts.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        });
        gpu.device().destroy();
        let lost = |what: &str, result: pixtape::Result<()>| {
            let error = result.expect_err(&format!("{who}: {what} on a lost device"));
            assert!(matches!(&error, Error::DeviceLost { .. }), "{who}: {what}: {error:?}");
            assert_eq!(error.exit_code(), 1);
        };
        // Whatever brings a result back has none to bring.
        lost("reading", pollster::block_on(r.program.read(r.loss)).map(drop));
        lost(
            "reading weights",
            pollster::block_on(r.store.read(gpu, r.param.value, &r.param.layout)).map(drop),
        );
        lost("a checked run", pollster::block_on(r.program.run_checked(&step_values(2))));
        let losses = ring.push(2).and_then(|()| pollster::block_on(ring.receive(0)));
        lost("losses", losses.map(drop));
        lost("waiting", gpu.wait("nothing"));
        let fresh = net(gpu);
        let rest = [
            ("a step", r.program.step(&step_values(2))),
            ("a segment", r.program.submit(0..1)),
            ("writing", r.program.write(r.x, &[0.0; 16 * 16 * 3])),
            (
                "writing weights",
                r.store.write(
                    gpu,
                    r.param.value,
                    &r.param.layout,
                    &vec![0.0; r.param.layout.elements()],
                ),
            ),
            (
                "another kernel",
                gpu.pipeline(&Kernel::new(
                    "copy",
                    "copy",
                    &[("x", Access::Read), ("y", Access::Write)],
                ))
                .map(drop),
            ),
            ("preparing", fresh.plan.prepare(gpu, &fresh.store).map(drop)),
        ];
        // A device of ours tells us that it is lost. A host's tells the host, whose handler we
        // leave alone: there these may do nothing.
        for (what, result) in rest {
            match result {
                Ok(()) if who != "ours" => {}
                result => lost(what, result),
            }
        }
        assert_eq!(told.load(std::sync::atomic::Ordering::SeqCst), 1, "{who}: told once");
    }
}

#[test]
fn a_device_that_does_not_answer_is_lost_and_nothing_waits_for_it() {
    if support::gpu().is_none() {
        return;
    }
    let gpu = pollster::block_on(Gpu::request(&support::request())).unwrap();
    let r = ready(&gpu);
    pixtape::testing::patience(&gpu, std::time::Duration::ZERO);
    // More than can be done by the time of the first wait.
    (1..=300).for_each(|step| r.program.step(&step_values(step)).unwrap());
    for _ in 0..2 {
        let error = gpu.wait("the steps").unwrap_err();
        assert!(matches!(error, Error::DeviceLost { .. }), "{error:?}");
        assert!(error.to_string().contains("has not answered for 0 seconds"), "{error}");
    }
    // The driver's threads are not to be at work when the process ends.
    gpu.device().poll(wgpu::PollType::wait_indefinitely()).unwrap();
}

#[test]
fn what_the_device_reports_outside_of_a_call_comes_back_from_the_next_one() {
    let Some(_) = support::gpu() else { return };
    let gpu = pollster::block_on(Gpu::request(&support::request())).unwrap();
    let r = ready(&gpu);
    // A host's own mistake with our device: no call of ours is there to return it.
    let _refused = gpu.device().create_buffer(&wgpu::BufferDescriptor {
        label: Some("the host's"),
        size: gpu.device().limits().max_buffer_size + 4,
        usage: wgpu::BufferUsages::STORAGE,
        mapped_at_creation: false,
    });
    let error = r.program.step(&step_values(1)).unwrap_err();
    assert!(
        matches!(&error, Error::Uncaptured { message, .. } if message.contains("the host's")),
        "{error}"
    );
    // It is returned once, and the device works on.
    r.program.step(&step_values(1)).unwrap();
    pollster::block_on(gpu.done("a step")).unwrap();
    assert!(r.loss().is_finite());
}

#[test]
fn scalars_arrive_in_order_and_a_dropped_future_loses_none() {
    let Some(gpu) = support::gpu() else { return };
    let r = ready(gpu);
    let mut ring = r.program.scalars(&[r.loss], 2).unwrap();
    let mut expected = Vec::new();
    for step in 1..=5 {
        r.program.step(&step_values(step)).unwrap();
        // More than the ring is deep: it never waits.
        ring.push(step.into()).unwrap();
        expected.push((u64::from(step), vec![r.loss()]));
    }
    assert_eq!(ring.in_flight(), 5);
    drop(ring.receive(0));
    let first = pollster::block_on(ring.receive(3)).unwrap();
    assert!(first.len() >= 2 && ring.in_flight() == 5 - first.len());
    let rest = pollster::block_on(ring.receive(0)).unwrap();
    assert_eq!([first, rest].concat(), expected);
    assert!(ring.arrived().unwrap().is_empty());
}

#[test]
fn what_the_driver_refuses_comes_back_with_the_label_at_hand() {
    let Some(gpu) = support::gpu() else { return };
    // wgpu refuses: larger than any buffer of this device may be.
    let size = gpu.device().limits().max_buffer_size + 4;
    let huge = || {
        gpu.device().create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size,
            usage: wgpu::BufferUsages::STORAGE,
            mapped_at_creation: false,
        })
    };
    let error = gpu.scoped("a huge buffer", huge).unwrap_err();
    assert!(
        matches!(&error, Error::Validation { label, message } if label == "a huge buffer" && message.contains(&size.to_string())),
        "{error}"
    );
    assert_eq!(error.exit_code(), 2);
    // A kernel that is not there, and one whose text is refused, would be our faults too.
    let error =
        gpu.pipeline(&Kernel::new("fill", "no_such_entry", &[("y", Access::Write)])).unwrap_err();
    assert!(error.to_string().contains("no_such_entry") && error.exit_code() == 2, "{error}");
    // The device is none the worse for it.
    gpu.wait("after errors").unwrap();
    let r = ready(gpu);
    r.program.step(&step_values(1)).unwrap();
    assert!(r.loss().is_finite());
}

#[test]
fn kernels_of_the_host_s_own_are_named_in_what_goes_wrong() {
    let Some(gpu) = support::gpu() else { return };
    const BROKEN: &str =
        "// use: index\n@compute @workgroup_size(64)\nfn main() {\n  let x = nothing;\n}\n";
    let error = gpu.pipeline(&Kernel::of_text("theirs", BROKEN, "main", &[])).unwrap_err();
    let message = error.to_string();
    assert!(message.contains("theirs:4") && message.contains("nothing"), "{message}");
    const MISSING: &str = "// use: no_such_library\n";
    let error = gpu.pipeline(&Kernel::of_text("theirs", MISSING, "main", &[])).unwrap_err();
    assert!(error.to_string().contains("no_such_library"), "{error}");
    const TUNED: &str =
        "const SIZE: u32 = 64u; // tune\n@compute @workgroup_size(SIZE)\nfn main() {\n}\n";
    let kernel = |size| Kernel::of_text("theirs", TUNED, "main", &[]).tune("SIZE", size);
    let before = gpu.pipeline_count();
    for size in [32, 64, 32] {
        gpu.pipeline(&kernel(size)).unwrap();
    }
    assert_eq!(gpu.pipeline_count(), before + 2);
    let error = gpu.pipeline(&kernel(1).tune("OTHER", 1)).unwrap_err();
    assert!(error.to_string().contains("theirs has no `const OTHER"), "{error}");
}

#[test]
fn running_out_of_memory_names_the_buffer() {
    // A device that may take a percent or few of the memory there is: as little as it can be made
    // with. Only Vulkan and D3D12 drivers keep such budgets.
    let Some(gpu) = support::gpu() else { return };
    if !matches!(gpu.info().backend, wgpu::Backend::Vulkan | wgpu::Backend::Dx12) {
        eprintln!("SKIPPED (no memory budgets on {})", gpu.name());
        return;
    }
    let name = gpu.info().name.clone();
    let within = |percent: u8| {
        let memory_budget_thresholds = wgpu::MemoryBudgetThresholds {
            for_resource_creation: Some(percent),
            for_device_loss: None,
        };
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
            memory_budget_thresholds,
            ..descriptor()
        });
        let adapter = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()))
            .into_iter()
            .find(|a| a.get_info().name == name)?;
        let descriptor =
            wgpu::DeviceDescriptor { required_limits: adapter.limits(), ..Default::default() };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor)).ok()?;
        Gpu::from_parts(device, queue).ok()
    };
    // A little more than the least: other processes' memory counts too, and theirs comes and goes.
    let least = (1..=100)
        .find(|percent| within(*percent).is_some())
        .expect("a device within the whole budget");
    let gpu = within((least + 5).min(100)).expect("a device within more than it needs");

    // Pages as large as this device makes buffers, up to 2 GiB: far beyond what may be bound, but
    // the budget comes first.
    let values = (gpu.device().limits().max_buffer_size.min(1 << 31) / 4 - 64) as u32;
    let (mut store, mut tape) = (Store::new(), Tape::new());
    let pages: Vec<Param> =
        (0..4).map(|i| store.param("P", &i.to_string(), Layout::Vector(values.into()))).collect();
    let Some((page, error)) =
        pages.iter().find_map(|p| Some((p, store.on_device(&gpu, p.value).err()?)))
    else {
        eprintln!("SKIPPED (the smallest budget on {} holds 8 GiB)", gpu.name());
        return;
    };
    assert!(
        matches!(&error, Error::OutOfMemory { label, .. } if label.starts_with("P/vector weight/")),
        "{error:?}"
    );
    assert!(error.to_string().contains("`batch_size`") && error.exit_code() == 1, "{error}");
    // A plan that needs the page says the same when it is prepared.
    tape.init_normal(&store, page, 0.0, 1.0, 0);
    let error = Plan::new(&tape, &store, &[], gpu.family(), crate::support::plan_options())
        .unwrap()
        .prepare(&gpu, &store)
        .unwrap_err();
    assert!(
        matches!(&error, Error::OutOfMemory { label, .. } if label.starts_with("P/vector weight/")),
        "{error:?}"
    );
    // The device is none the worse for it.
    let small = ready(&gpu);
    small.program.step(&step_values(1)).unwrap();
    assert!(small.loss().is_finite());
}

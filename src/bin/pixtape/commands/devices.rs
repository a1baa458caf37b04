//! `pixtape devices`: adapters, their features, and whether the kernels work on them.

mod check;

use crate::device::environment::request;
use crate::messages::with_flags;
use check::Outcome;
use clap::Args;
use pixtape::gpu::{AdapterReport, Family, Gpu, adapters};
use pixtape::{Error, Result};
use serde_json::{Value, json};

/// Flags of `devices`.
#[derive(Args, Clone, Debug)]
pub(crate) struct DevicesArgs {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Run every kernel family against the CPU on each adapter (or on --adapter).
    #[arg(long)]
    pub check: bool,
    /// Adapter: an index, or part of a name.
    #[arg(long)]
    pub adapter: Option<String>,
}

/// Lists the adapters, and checks them with `--check`.
pub(crate) fn run(args: &DevicesArgs) -> Result<()> {
    let all = pollster::block_on(adapters());
    if all.is_empty() {
        if args.json {
            println!("{:#}", json!({ "adapters": [] }));
        }
        // Requesting one gives the right message.
        return crate::device::gpu(None).map(drop);
    }
    let chosen = match &args.adapter {
        None => all,
        Some(asked) => vec![find(all, asked)?],
    };
    let mut rows = Vec::new();
    let mut failed = Vec::new();
    for report in &chosen {
        let family = report.usable.then(|| family(report.index));
        let outcomes =
            if args.check && report.usable { Some(check::run(report.index)) } else { None };
        let bad = outcomes.iter().flatten().filter(|o| !o.ok()).count();
        if bad > 0 {
            failed.push(format!("{bad} on adapter {} {}", report.index, name(report)));
        }
        if args.json {
            rows.push(row(report, family.as_ref(), outcomes.as_deref()));
        } else {
            print(report, family.as_ref(), outcomes.as_deref());
        }
    }
    if args.json {
        println!("{:#}", json!({ "adapters": rows }));
    }
    if args.check && chosen.iter().all(|r| !r.usable) {
        return Err(Error::Adapter(
            "none of these adapters runs compute shaders within WebGPU's default limits, so nothing was checked; update its driver".into(),
        ));
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(Error::Internal(format!(
        "checks failed: {}; please report the lines above, and use another adapter (--adapter) \
         meanwhile",
        failed.join(", ")
    )))
}

/// The adapter of `--adapter`: an index, or part of backend and name.
fn find(all: Vec<AdapterReport>, asked: &str) -> Result<AdapterReport> {
    let list =
        all.iter().map(|r| format!("{} {}", r.index, name(r))).collect::<Vec<_>>().join(", ");
    let words = asked.to_lowercase();
    let fits = |r: &AdapterReport| {
        asked.parse().map_or_else(
            |_| name(r).to_lowercase().contains(&words),
            |index: usize| index == r.index,
        )
    };
    all.into_iter().find(fits).ok_or_else(|| {
        Error::Adapter(format!("--adapter {asked}: no such adapter; there are: {list}"))
    })
}

fn name(report: &AdapterReport) -> String {
    format!("{:?} {}", report.info.backend, report.info.name)
}

/// The convolution tile of an adapter, or why it gives no device.
fn family(index: usize) -> Result<Family> {
    let request = request(Some(&index.to_string()));
    pollster::block_on(Gpu::request(&request)).map(|gpu| gpu.family())
}

fn features(report: &AdapterReport) -> [(&'static str, bool); 3] {
    let has = |f| report.features.contains(f);
    [
        ("subgroups", has(wgpu::Features::SUBGROUP)),
        ("timestamps", has(wgpu::Features::TIMESTAMP_QUERY)),
        ("f16", has(wgpu::Features::SHADER_F16)),
    ]
}

/// The keys are stable, since scripts read them.
fn row(
    report: &AdapterReport,
    family: Option<&Result<Family>>,
    outcomes: Option<&[Outcome]>,
) -> Value {
    let AdapterReport { index, info, limits, usable, .. } = report;
    let mut row = json!({
        "index": index,
        "name": info.name,
        "backend": format!("{:?}", info.backend),
        "type": format!("{:?}", info.device_type),
        "driver": info.driver,
        "driver_info": info.driver_info,
        "vendor": info.vendor,
        "device": info.device,
        "usable": usable,
        "family": family.and_then(|f| f.as_ref().ok()).map(ToString::to_string),
        "limits": {
            "storage_binding_bytes": limits.max_storage_buffer_binding_size,
            "buffer_bytes": limits.max_buffer_size,
            "workgroup_bytes": limits.max_compute_workgroup_storage_size,
            "invocations": limits.max_compute_invocations_per_workgroup,
            "storage_buffers": limits.max_storage_buffers_per_shader_stage,
            "subgroup_min": info.subgroup_min_size,
            "subgroup_max": info.subgroup_max_size,
        },
        "features": features(report).into_iter().collect::<std::collections::BTreeMap<_, _>>(),
    });
    if let Some(Err(e)) = family {
        row["error"] = with_flags(e).into();
    }
    if let Some(outcomes) = outcomes {
        row["check"] = outcomes.iter().map(Outcome::json).collect();
    }
    row
}

fn print(report: &AdapterReport, family: Option<&Result<Family>>, outcomes: Option<&[Outcome]>) {
    let AdapterReport { index, info, limits, .. } = report;
    let driver = [info.driver.as_str(), info.driver_info.as_str()].join(" ");
    println!(
        "{index}  {:<40} {:<13} {}",
        name(report),
        format!("{:?}", info.device_type),
        driver.trim()
    );
    let mib = |bytes: u64| format!("{} MiB", bytes >> 20);
    println!(
        "   binding {}, buffer {}, workgroup memory {} KiB, {} invocations, {} storage buffers",
        mib(limits.max_storage_buffer_binding_size),
        mib(limits.max_buffer_size),
        limits.max_compute_workgroup_storage_size >> 10,
        limits.max_compute_invocations_per_workgroup,
        limits.max_storage_buffers_per_shader_stage
    );
    let [subgroups, timestamps, f16] = features(report).map(|(_, has)| has);
    let lanes = if subgroups {
        format!("of {} to {} lanes", info.subgroup_min_size, info.subgroup_max_size)
    } else {
        "no".into()
    };
    let yes = |has| if has { "yes" } else { "no" };
    println!("   subgroups {lanes}, timestamps {}, f16 {}", yes(timestamps), yes(f16));
    match family {
        None => println!("   not usable: no compute shaders, or less than WebGPU's default limits"),
        Some(Ok(family)) => println!("   convolution kernels: {family}"),
        Some(Err(e)) => println!("   no device: {}", with_flags(e)),
    }
    for outcome in outcomes.into_iter().flatten() {
        println!("   {outcome}");
    }
    if let Some(outcomes) = outcomes {
        println!(
            "   {} of {} checks passed",
            outcomes.iter().filter(|o| o.ok()).count(),
            outcomes.len()
        );
    }
}

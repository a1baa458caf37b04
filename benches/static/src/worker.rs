//! One process a target: the driver is chosen by environment, and for Mesa 26 by another libc.

use crate::device::{Compiled, Device};
use crate::kernels::Used;
use crate::targets::Target;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A line from the worker.
#[derive(Serialize, Deserialize)]
enum Line {
    /// Name and driver of the device.
    Device(String, String),
    /// Number of the kernel and what came of it.
    Kernel(usize, Result<Compiled, String>),
}

/// What a target's compiler made of all kernels, in their order.
pub struct Answer {
    pub device: String,
    pub driver: String,
    pub kernels: Vec<Result<Compiled, String>>,
}

/// The worker: compiles the kernels and prints.
///
/// # Errors
/// What is missing, in one line.
pub fn work(kernels: &[Used]) -> Result<(), String> {
    let device = Device::open()?;
    let out = Mutex::new(std::io::stdout());
    let say = |line: &Line| {
        let text = serde_json::to_string(line).map_err(|e| e.to_string())?;
        writeln!(out.lock().unwrap(), "{text}").map_err(|e| e.to_string())
    };
    say(&Line::Device(device.name.clone(), device.driver.clone()))?;
    let (next, threads) = (AtomicUsize::new(0), std::thread::available_parallelism());
    let one = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(used) = kernels.get(at) else { return Ok(()) };
            say(&Line::Kernel(at, device.compile(&used.kernel)))?;
        }
    };
    std::thread::scope(|scope| {
        let all: Vec<_> =
            (0..threads.map_or(1, |n| n.get().min(8))).map(|_| scope.spawn(one)).collect();
        all.into_iter().try_for_each(|thread| thread.join().expect("it does not panic"))
    })
}

/// Has a target's compiler compile the kernels.
///
/// # Errors
/// What is missing or went wrong, in one line.
pub fn ask(
    target: &Target,
    root: Option<&Path>,
    kernels: &[Used],
    names: &[String],
) -> Result<Answer, String> {
    let mut command = target.command(root)?;
    command.args(names).stdin(Stdio::null());
    let output = command.output().map_err(|e| format!("the worker did not start: {e}"))?;
    let (mut device, mut found) = (None, Vec::new());
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        match serde_json::from_str(line) {
            Ok(Line::Device(name, driver)) => device = Some((name, driver)),
            Ok(Line::Kernel(at, compiled)) => found.push((at, compiled)),
            Err(e) => return Err(format!("the worker said something else: {e}")),
        }
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    let last = errors.lines().last().unwrap_or("no message").to_string();
    let Some((device, driver)) = device else { return Err(last) };
    found.sort_by_key(|(at, _)| *at);
    let kernels_found: Vec<_> = found.into_iter().map(|(_, compiled)| compiled).collect();
    if !output.status.success() || kernels_found.len() != kernels.len() {
        return Err(format!("the compiler ended early ({}): {last}", output.status));
    }
    Ok(Answer { device, driver, kernels: kernels_found })
}

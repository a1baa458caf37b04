//! `pixtape info`: shows what a checkpoint or a run's folder holds.

use crate::messages::{self, with_flags};
use clap::Args;
use pixtape::io::checkpoint::TensorFile;
use pixtape::run::options::written;
use pixtape::run::{describe, newest, weights_name};
use pixtape::{Error, Result};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// Flags of `info`.
#[derive(Args, Clone, Debug)]
pub(crate) struct InfoArgs {
    /// A run's folder, a checkpoint's folder, or a safetensors file.
    pub path: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Runs `info`.
pub(crate) fn run(args: &InfoArgs) -> Result<()> {
    let shown = match (args.path.is_dir(), args.path.exists()) {
        (true, _) => folder(&args.path)?,
        (_, true) => file(&args.path)?,
        _ => {
            return Err(Error::file(
                &args.path,
                "no such file or folder; pixtape info takes a run's folder or a safetensors file",
            ));
        }
    };
    if args.json {
        println!("{}", messages::json(&format!("{shown:#}")));
    } else {
        let mut text = String::new();
        lines(&shown, 0, &mut text);
        print!("{}", text);
    }
    Ok(())
}

/// A run's folder, or that of one of its checkpoints.
fn folder(path: &Path) -> Result<Value> {
    let options = written(path)?;
    let mut shown = json!({ "what": "a run's folder", "path": path.to_string_lossy() });
    let newest = newest(path);
    let read = |name: &str| {
        pixtape::io::file::read_text(&path.join(name))
            .ok()
            .and_then(|text| serde_json::from_str::<Value>(&text).ok())
    };
    match &newest {
        Ok(Some(found)) => {
            let state = &found.state;
            shown["step"] = state.step.into();
            shown["position"] =
                format!("epoch {}, batch {} comes next", state.epoch, state.batch).into();
            shown["checkpoint"] = found.folder.to_string_lossy().into();
            let refused: Vec<String> = found.refused.iter().map(Error::to_string).collect();
            if !refused.is_empty() {
                shown["damaged"] = json!(refused);
            }
            let net = describe(&options).generators[0].name;
            let mut generator = file(&found.folder.join(weights_name("latest", net)))?;
            for name in ["architecture", "made_by"] {
                if !generator[name].is_null() {
                    shown[name] = generator[name].take();
                }
            }
        }
        Ok(None) => shown["checkpoint"] = "none yet".into(),
        Err(e) => shown["damaged"] = with_flags(e).into(),
    }
    if let Some(info) = read("info.json") {
        shown["parameters"] = info["parameters"].clone();
        shown["data"] = info["data"].clone();
        shown["memory_bytes"] = info["memory"]["total"].clone();
    }
    if let Some(best) = read("best.json") {
        shown["best"] = best;
    }
    shown["options"] = options;
    Ok(shown)
}

/// A safetensors file.
fn file(path: &Path) -> Result<Value> {
    let file = TensorFile::read(path)?;
    let values: usize = file.tensors().values().map(|values| values.len()).sum();
    let moments =
        file.tensors().keys().all(|n| n.ends_with(".exp_avg") || n.ends_with(".exp_avg_sq"));
    let running = |name: &str| name.ends_with(".running_mean") || name.ends_with(".running_var");
    let parameters: usize =
        file.tensors().iter().filter(|(n, _)| !running(n)).map(|(_, values)| values.len()).sum();
    let mut shown = json!({
        "what": "weights", "path": path.to_string_lossy(), "tensors": file.tensors().len(), "values": values,
    });
    if moments && !file.tensors().is_empty() {
        shown["what"] = "an optimizer's moments".into();
    } else {
        shown["parameters"] = parameters.into();
    }
    if let Ok(net) = file.recognise_generator() {
        shown["what"] = format!("weights of a generator: {net}").into();
        shown["architecture"] = json!({
            "netG": net.name(), "ngf": net.ngf(), "input_nc": net.input_nc(), "output_nc": net.output_nc(), "norm": net.norm().to_string(),
        });
    }
    match file.about() {
        // Not weights but what a command collected: it says itself what that is.
        Some(about) if about["what"].is_string() => {
            if let Some(about) = about.as_object() {
                about.iter().for_each(|(name, value)| shown[name] = value.clone());
            }
        }
        Some(about) => {
            for name in ["network", "step"] {
                shown[name] = about[name].clone();
            }
            let names = ["version", "commit", "adapter", "driver", "kernels"];
            shown["made_by"] =
                Map::from_iter(names.iter().map(|n| (n.to_string(), about[*n].clone()))).into();
            for name in ["width", "height", "norm_mode", "options"] {
                shown[name] = about[name].clone();
            }
        }
        None => shown["made_by"] = "not said in the file".into(),
    }
    Ok(shown)
}

/// Names and values, one per line.
fn lines(value: &Value, depth: usize, text: &mut String) {
    for (name, value) in value.as_object().into_iter().flatten() {
        let indent = " ".repeat(2 * depth);
        match value {
            Value::Null => {}
            Value::Object(_) => {
                *text += &format!("{indent}{name}\n");
                lines(value, depth + 1, text);
            }
            Value::String(said) => *text += &format!("{indent}{name}: {said}\n"),
            other => *text += &format!("{indent}{name}: {other}\n"),
        }
    }
}

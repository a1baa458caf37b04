//! The list of operations against the files of the project: one operation, one stem; and
//! `docs/ops.md`, made from the list.

use pixtape::ops::{Dispatch, Gradient, OpInfo};
use pixtape::testing::shader::FILES;
use pixtape::testing::{sample_kernels, sample_tunings, unpack_kernels};
use pixtape::{Store, Tape, filters, ops};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Stems without shaders of their own, whose they use, and why.
const BORROWED: &[(&str, &str, &str)] = &[
    ("concat", "copy", "a view: planned away, or copied"),
    ("batches", "copy", "views, likewise"),
];
/// Shaders that belong to no operation: they ask a device what it can do.
pub const PROBES: &[&str] = &["probe", "fma"];
/// Shaders between a host's textures and tensors, with bindings of their own.
pub const HOST: &[&str] = &["host_load", "host_store"];
/// Shaders that fill stores.
const STORES: &[&str] = &["unpack"];

/// Folders with operations.
const FOLDERS: [(&str, &[OpInfo]); 2] = [("src/ops", ops::OPS), ("src/filters/ops", filters::OPS)];

fn all() -> impl Iterator<Item = &'static OpInfo> {
    FOLDERS.into_iter().flat_map(|(_, ops)| ops)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).into()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Every dispatch of every sample, with its label, and those that fill stores.
pub fn all_kernels() -> Vec<(String, Dispatch)> {
    [of_operations(), unpack_kernels()].concat()
}

fn of_operations() -> Vec<(String, Dispatch)> {
    let tunings = sample_tunings();
    FOLDERS.into_iter().flat_map(|(_, ops)| sample_kernels(ops, &tunings).unwrap()).collect()
}

fn belongs(file: &str, stem: &str) -> bool {
    file == stem || file.strip_prefix(stem).is_some_and(|rest| rest.starts_with('_'))
}

#[test]
fn every_operation_has_its_files_a_summary_and_a_gradient_or_a_reason() {
    let names: HashSet<&str> = all().map(|o| o.name).collect();
    assert_eq!(names.len(), all().count());
    let main = read("kernels-tests/main.rs");
    let listed = FOLDERS.into_iter().flat_map(|(folder, ops)| ops.iter().map(move |o| (folder, o)));
    for (folder, OpInfo { name, stem, summary, gradient, .. }) in listed {
        assert!(
            root().join(format!("{folder}/{stem}.rs")).is_file(),
            "{name}: no {folder}/{stem}.rs"
        );
        let tests = read(&format!("kernels-tests/{stem}.rs"));
        assert!(
            main.contains(&format!("mod {stem};\n")) && tests.contains("#[test]"),
            "{name}: no tests in kernels-tests/{stem}.rs"
        );
        let borrowed = BORROWED.iter().find(|b| b.0 == *stem);
        let shaders = borrowed.map_or(*stem, |b| b.1);
        assert!(
            FILES.iter().any(|(file, _)| belongs(file, shaders)),
            "{name}: no shaders/{shaders}*.wgsl"
        );
        assert!(
            borrowed.is_none() || !FILES.iter().any(|(file, _)| belongs(file, stem)),
            "{name}: {stem} has shaders of its own"
        );
        assert!(!summary.trim().is_empty(), "{name}: no summary");
        match gradient {
            Gradient::Op(op) => {
                assert!(names.contains(op), "{name}: its gradient {op} is not listed")
            }
            Gradient::Passed => (),
            Gradient::None(reason) => {
                assert!(reason.len() > 10, "{name}: no gradient, and no reason")
            }
        }
    }
}

#[test]
fn operations_use_the_shaders_of_their_stem_and_no_shader_is_left_over() {
    let mut used = HashSet::new();
    for (label, dispatch) in of_operations() {
        let name = label.rsplit('/').next().unwrap();
        let stem =
            all().find(|o| o.name == name).unwrap_or_else(|| panic!("{label}: not listed")).stem;
        let file = dispatch.kernel.file;
        let borrowed = BORROWED.iter().any(|b| b.0 == stem && belongs(file, b.1));
        // Reductions of a loss end in the last stage of a sum.
        let total = stem == "loss" && dispatch.kernel.entry == "sum";
        // Gradients of weights that take several rounds end in Adam.
        let updated = stem == "conv2d" && file == "adam";
        assert!(
            belongs(file, stem) || borrowed || total || updated,
            "{label} runs {}",
            dispatch.kernel.label()
        );
        used.insert(file);
    }
    let others = [PROBES, HOST, STORES].concat();
    for (file, _) in FILES.iter().filter(|(f, _)| !f.starts_with("lib/") && !others.contains(f)) {
        assert!(used.contains(file), "shaders/{file}.wgsl: no sample of an operation runs it");
    }
}

#[test]
fn every_file_of_the_shaders_folder_is_compiled_in() {
    let known: HashSet<String> = FILES.iter().map(|(name, _)| format!("{name}.wgsl")).collect();
    for (folder, prefix) in [("shaders", ""), ("shaders/lib", "lib/")] {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(
                !name.ends_with(".wgsl") || known.contains(&format!("{prefix}{name}")),
                "{folder}/{name}: not in src/shader.rs"
            );
        }
    }
}

fn table() -> String {
    let mut text = String::from(
        "# Operations\n\n\
         Generated from `OPS` in `src/ops/registry.rs` and `src/filters/ops/mod.rs`; `PIXTAPE_BLESS=1 cargo test --test kernels registry` rewrites it.\n\n\
         Shapes are `[n, h, w, c]`. Each operation lives in `src/ops/STEM.rs` (those of filters: `src/filters/ops/STEM.rs`), `shaders/STEM*.wgsl` and\n\
         `kernels-tests/STEM.rs` (concat and batches run the shader of copy).\n\n\
         | operation | computes | gradient | stem |\n|---|---|---|---|\n",
    );
    for OpInfo { name, stem, summary, gradient, .. } in all() {
        let gradient = match gradient {
            Gradient::Op(op) => format!("`{op}`"),
            Gradient::Passed => "passed on as it is".into(),
            Gradient::None(reason) => format!("none: {reason}"),
        };
        let summary = summary.replace('|', "\\|");
        text += &format!("| `{name}` | {summary} | {gradient} | {stem} |\n");
    }
    text
}

#[test]
fn the_table_in_docs_is_the_list() {
    let (path, wanted) = (root().join("docs/ops.md"), table());
    if std::env::var_os("PIXTAPE_BLESS").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    assert!(
        found == wanted,
        "docs/ops.md is not what OPS says; PIXTAPE_BLESS=1 cargo test --test kernels registry \
         rewrites it"
    );
}

#[test]
fn samples_record_the_operation_and_the_gradient_they_name_and_nothing_unlisted() {
    let names: HashSet<&str> = all().map(|o| o.name).collect();
    for info in all() {
        let (mut tape, mut store) = (Tape::new(), Store::new());
        (info.sample)(&mut tape, &mut store).unwrap_or_else(|e| panic!("{}: {e}", info.name));
        let recorded: Vec<&str> = tape.nodes().iter().map(|n| n.op.name()).collect();
        assert!(recorded.contains(&info.name), "{}: {recorded:?}", info.name);
        assert!(recorded.iter().all(|r| names.contains(r)), "{}: {recorded:?}", info.name);
        if let Gradient::Op(gradient) = info.gradient {
            let expected = if gradient == info.name { 2 } else { 1 };
            assert!(
                recorded.iter().filter(|r| **r == gradient).count() >= expected,
                "{}: no {gradient} in {recorded:?}",
                info.name
            );
        }
    }
}

#[test]
fn every_parameter_block_fits_its_page_and_every_grid_its_limit() {
    for (label, dispatch) in all_kernels() {
        assert!(4 * dispatch.params.len() <= 256 && dispatch.binds.len() <= 8, "{label}");
        assert!(
            dispatch.groups.iter().all(|&g| (1..=65_535).contains(&g)),
            "{label}: {:?}",
            dispatch.groups
        );
    }
}

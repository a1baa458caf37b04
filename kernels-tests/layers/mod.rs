//! The layers of the source: which module may import which, and no circles between files.
//!
//! `engine <- src/io <- src/run <- src/session <- src/bin/pixtape/{device, options, outputs,
//! commands}`. Read from the text, so that an import that the features of this build leave out
//! counts too.

mod source;

use source::{children, named};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Layers of the library from the bottom: each may import itself and those before it.
const LAYERS: &[&[&str]] = &[&[], &["io"], &["run"], &["session"]];

/// What each folder of the program may import of the others, beside the library.
const PROGRAM: &[(&str, &[&str])] = &[
    ("print", &["messages"]),
    ("messages", &[]),
    ("many", &["messages"]),
    ("patterns", &[]),
    ("signals", &[]),
    ("device", &[]),
    ("options", &[]),
    ("outputs", &["messages", "options"]),
    ("commands", &["device", "many", "messages", "options", "outputs", "patterns", "signals"]),
    ("cli", &["commands", "device", "messages", "options", "outputs", "print", "signals"]),
    ("main", &["cli"]),
];

/// Circles of files in the layers above the engine that stay, each with its reason.
const DEFENDED: &[(&[&str], &str)] = &[];

/// Files of a crate, by the path of their module (`io::picture`, empty for the root).
type Files = BTreeMap<String, (String, String)>;

/// Reads the modules of a crate from its root file.
fn modules(root: &Path, relative: &str) -> Files {
    let mut files = Files::new();
    let mut waiting = vec![(String::new(), relative.to_string())];
    while let Some((module, file)) = waiting.pop() {
        let text = super::read(&root.join(&file));
        let folder = match Path::new(&file).file_name().and_then(|n| n.to_str()) {
            Some("mod.rs" | "lib.rs" | "main.rs") => {
                Path::new(&file).parent().unwrap().to_path_buf()
            }
            _ => Path::new(&file).with_extension(""),
        };
        for child in children(&text) {
            let path = [format!("{child}.rs"), format!("{child}/mod.rs")]
                .map(|name| folder.join(name))
                .into_iter()
                .find(|path| root.join(path).exists());
            let Some(path) = path else { continue };
            let name = if module.is_empty() { child } else { format!("{module}::{child}") };
            waiting.push((name, path.to_string_lossy().replace('\\', "/")));
        }
        files.insert(module, (file, text));
    }
    files
}

/// A path as seen from the root of its crate; `None` if it leads into another crate.
fn absolute(module: &str, path: &[String]) -> Option<Vec<String>> {
    let mut base: Vec<String> =
        module.split("::").filter(|m| !m.is_empty()).map(Into::into).collect();
    let mut rest = path;
    match path.first().map(String::as_str) {
        Some("crate") => (base, rest) = (Vec::new(), &path[1..]),
        Some("pixtape") => return None,
        Some("self") => rest = &path[1..],
        _ => {
            while rest.first().is_some_and(|word| word == "super") {
                base.pop();
                rest = &rest[1..];
            }
        }
    }
    Some([base, rest.to_vec()].concat())
}

/// What a file names of its own crate, as absolute paths, with the names it exports.
fn paths(module: &str, text: &str) -> Vec<(Vec<String>, Option<String>)> {
    let own = children(text);
    let roots = |word: &str| {
        matches!(word, "crate" | "super" | "self") || own.iter().any(|child| child == word)
    };
    let all = named(text, &roots).into_iter();
    all.filter_map(|n| Some((absolute(module, &n.path)?, n.exported))).collect()
}

/// The layer of a module of the library, by its first word: 0 is the engine.
fn layer(module: &str) -> usize {
    let first = module.split("::").next().unwrap_or_default();
    LAYERS.iter().position(|names| names.contains(&first)).unwrap_or(0)
}

/// Imports of a library file that point up.
fn upward(module: &str, text: &str) -> Vec<String> {
    let up = |path: &Vec<String>| path.first().is_some_and(|to| layer(to) > layer(module));
    paths(module, text).into_iter().map(|(path, _)| path).filter(up).map(|p| p.join("::")).collect()
}

/// Imports of a file of the program that point up or sideways.
fn astray(module: &str, text: &str) -> Vec<String> {
    let first = module.split("::").next().unwrap_or_default();
    let first = if first.is_empty() { "main" } else { first };
    let allowed = PROGRAM.iter().find(|(name, _)| *name == first);
    let (_, allowed) = allowed.unwrap_or_else(|| panic!("{first} is no layer of the program"));
    let wrong = |path: &Vec<String>| {
        path.first().is_some_and(|to| {
            to != first && PROGRAM.iter().any(|(n, _)| n == to) && !allowed.contains(&to.as_str())
        })
    };
    paths(module, text)
        .into_iter()
        .map(|(path, _)| path)
        .filter(wrong)
        .map(|p| p.join("::"))
        .collect()
}

#[test]
fn imports_point_down() {
    let root = super::root();
    let mut wrong = Vec::new();
    for (module, (file, text)) in &modules(root, "src/lib.rs") {
        // The root declares and re-exports all.
        if !module.is_empty() {
            wrong.extend(upward(module, text).into_iter().map(|to| format!("{file} -> {to}")));
        }
    }
    for (module, (file, text)) in &modules(root, "src/bin/pixtape/main.rs") {
        wrong.extend(astray(module, text).into_iter().map(|to| format!("{file} -> {to}")));
    }
    assert!(wrong.is_empty(), "imports that point up or sideways:\n{}", wrong.join("\n"));
}

#[test]
fn an_import_that_points_up_is_found_however_it_is_written() {
    for text in [
        "use crate::session::Session;",
        "use crate::{Error, io::{Picture, picture}, session::{Event as E, Session}};",
        "fn f() { let x = crate::session::peak_memory(); }",
        "use super::super::session::*;",
        "pub use crate::session::Session;",
    ] {
        let found = upward("run::folder", text);
        assert_eq!(found.len(), if text.contains("Event") { 2 } else { 1 }, "{text}");
        assert!(
            upward("session::watch", text.replace("super::super", "super").as_str()).is_empty()
        );
    }
    for text in [
        "use crate::io::Picture; use crate::train::Losses;",
        "// use crate::session::Session;\n/* crate::session::x() */",
        "const TEXT: &str = \"use crate::session::Session\"; const C: char = '\"';",
        "const TEXT: &str = r#\"a \" crate::session::x\"#;",
        "fn f<'a>(x: &'a str) -> char { '\\'' } use crate::io::session::x;",
        "#[cfg(test)]\nmod tests { use crate::session::Session; }",
    ] {
        assert_eq!(upward("run::folder", text), [""; 0], "{text}");
    }
    assert_eq!(upward("train::model", "use crate::io::Picture;"), ["io::Picture"]);
    assert_eq!(astray("outputs::json", "use crate::commands::train;").len(), 1);
    assert_eq!(astray("device", "use crate::options::Tune;").len(), 1);
    assert_eq!(astray("commands::train", "use crate::options::Tune;").len(), 0);
}

/// The file that a path leads to: a re-export counts as what it re-exports.
fn target(files: &Files, exports: &Exports, path: &[String], depth: usize) -> Option<String> {
    if depth > 8 {
        return None;
    }
    let length = (0..=path.len()).rev().find(|n| files.contains_key(&path[..*n].join("::")))?;
    let module = path[..length].join("::");
    if let Some(next) =
        path.get(length).and_then(|name| exports.get(&(module.clone(), name.clone())))
    {
        let further = [next.as_slice(), &path[length + 1..]].concat();
        return target(files, exports, &further, depth + 1);
    }
    Some(module)
}

/// What modules re-export: module and name, and the path it stands for.
type Exports = BTreeMap<(String, String), Vec<String>>;

/// Which module imports which, where that is another one; re-exports are no imports.
fn edges(files: &Files) -> BTreeMap<String, BTreeSet<String>> {
    let mut exports = Exports::new();
    for (module, (_, text)) in files {
        for (path, exported) in paths(module, text) {
            exported.map(|name| exports.insert((module.clone(), name), path));
        }
    }
    let mut edges = BTreeMap::new();
    for (module, (_, text)) in files {
        let imports = paths(module, text).into_iter().filter(|(_, exported)| exported.is_none());
        let to: BTreeSet<String> = imports
            .filter_map(|(path, _)| target(files, &exports, &path, 0))
            .filter(|to| to != module && !to.is_empty())
            .collect();
        edges.insert(module.clone(), to);
    }
    edges
}

/// Groups of more than one module that all reach each other.
fn circles(edges: &BTreeMap<String, BTreeSet<String>>) -> Vec<BTreeSet<String>> {
    let reach = |from: &String| {
        let (mut seen, mut waiting) = (BTreeSet::new(), vec![from.clone()]);
        while let Some(at) = waiting.pop() {
            for to in edges.get(&at).into_iter().flatten() {
                if seen.insert(to.clone()) {
                    waiting.push(to.clone());
                }
            }
        }
        seen
    };
    let reached: BTreeMap<&String, BTreeSet<String>> =
        edges.keys().map(|m| (m, reach(m))).collect();
    let mut found: Vec<BTreeSet<String>> = Vec::new();
    for (module, own) in &reached {
        let circle: BTreeSet<String> = own
            .iter()
            .filter(|other| reached.get(other).is_some_and(|back| back.contains(*module)))
            .cloned()
            .collect();
        if circle.len() > 1 && !found.contains(&circle) {
            found.push(circle);
        }
    }
    found
}

#[test]
fn files_above_the_engine_import_each_other_in_one_direction() {
    let root = super::root();
    let mut wrong = Vec::new();
    for (crate_root, library) in [("src/lib.rs", true), ("src/bin/pixtape/main.rs", false)] {
        let files = modules(root, crate_root);
        for circle in circles(&edges(&files)) {
            let names: Vec<&str> = circle.iter().map(|m| files[m].0.as_str()).collect();
            let below = library && circle.iter().all(|module| layer(module) < 2);
            if !below && !DEFENDED.iter().any(|(allowed, _)| *allowed == names) {
                wrong.push(format!("{} files: {}", names.len(), names.join(", ")));
            }
        }
    }
    assert!(wrong.is_empty(), "circles of imports:\n{}", wrong.join("\n"));
}

#[test]
fn circles_are_found_through_re_exports() {
    let file =
        |name: &str, text: &str| (name.to_string(), (format!("{name}.rs"), text.to_string()));
    let mut files = Files::from([
        file("", "mod a; mod b;"),
        file("a", "mod x; mod y; pub use x::X; pub use y::Y;"),
        file("a::x", "use super::Y;"),
        file("a::y", ""),
        file("b", "use crate::a::{X, Y};"),
    ]);
    assert!(circles(&edges(&files)).is_empty());
    files.extend([file("a::y", "fn f() -> crate::b::B {}")]);
    assert_eq!(circles(&edges(&files)), [BTreeSet::from(["a::x", "a::y", "b"].map(String::from))]);
    files.extend([file("a::y", "#[cfg(test)] mod tests { use crate::b::B; }")]);
    assert!(circles(&edges(&files)).is_empty());
}

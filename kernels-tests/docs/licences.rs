//! Every dependency, on whatever platform, has a licence of deny.toml's list and comes from
//! crates.io: what `cargo deny check licenses sources` says, without the tool.

use serde_json::Value;
use std::process::Command;

/// The licences that deny.toml allows.
fn allowed(text: &str) -> Vec<&str> {
    let inside = text.split_once("allow = [").and_then(|(_, rest)| rest.split_once(']')).unwrap().0;
    inside.split('"').skip(1).step_by(2).collect()
}

/// Words and brackets of an SPDX expression; `/` is the OR of old manifests.
fn tokens(expression: &str) -> Vec<String> {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    spaced.split_whitespace().map(String::from).collect()
}

/// Whether a licence can be chosen from the allowed ones: of OR one side, of AND both.
fn permitted(expression: &str, allowed: &[&str]) -> bool {
    fn any(words: &[String], at: &mut usize, allowed: &[&str]) -> bool {
        let mut yes = all(words, at, allowed);
        while words.get(*at).is_some_and(|w| w == "OR") {
            *at += 1;
            yes |= all(words, at, allowed);
        }
        yes
    }
    fn all(words: &[String], at: &mut usize, allowed: &[&str]) -> bool {
        let mut yes = one(words, at, allowed);
        while words.get(*at).is_some_and(|w| w == "AND") {
            *at += 1;
            yes &= one(words, at, allowed);
        }
        yes
    }
    fn one(words: &[String], at: &mut usize, allowed: &[&str]) -> bool {
        let Some(word) = words.get(*at) else { return false };
        *at += 1;
        if word == "(" {
            let yes = any(words, at, allowed);
            *at += 1;
            return yes;
        }
        // An exception gives more rights, but is another text.
        if words.get(*at).is_some_and(|w| w == "WITH") {
            *at += 2;
            return false;
        }
        allowed.contains(&word.as_str())
    }
    let (words, mut at) = (tokens(expression), 0);
    any(&words, &mut at, allowed) && at == words.len()
}

#[test]
fn expressions_are_read_as_spdx_means_them() {
    let allowed = ["MIT", "Zlib"];
    for (expression, yes) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("MIT/Apache-2.0", true),
        ("GPL-3.0 OR Zlib", true),
        ("MIT AND GPL-3.0", false),
        ("MIT AND (GPL-3.0 OR Zlib)", true),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", false),
        ("GPL-2.0 AND MIT OR Zlib", true),
        ("Apache-2.0 WITH LLVM-exception OR MIT", true),
        ("MIT WITH something", false),
        ("", false),
        ("MIT MIT", false),
    ] {
        assert_eq!(permitted(expression, &allowed), yes, "{expression}");
    }
}

#[test]
fn every_dependency_has_an_allowed_licence_and_comes_from_crates_io() {
    let file = super::root().join("deny.toml");
    // The package has no such file: only the repository decides this.
    if !file.exists() {
        return;
    }
    let text = super::read(&file);
    let allowed = allowed(&text);
    assert!(allowed.len() > 3, "{allowed:?}");
    let cargo = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--all-features"])
        .current_dir(super::root())
        .output()
        .unwrap();
    assert!(cargo.status.success(), "{}", String::from_utf8_lossy(&cargo.stderr));
    let metadata: Value = serde_json::from_slice(&cargo.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 100, "{}", packages.len());
    let mut wrong = Vec::new();
    for package in packages {
        let source = package["source"].as_str();
        let own = source.is_none() && package["name"] == "pixtape";
        let known = source == Some("registry+https://github.com/rust-lang/crates.io-index");
        let licence = package["license"].as_str().unwrap_or_default();
        if !(own || known) || !permitted(licence, &allowed) {
            wrong.push(format!(
                "{} {}: {licence:?} of {source:?}",
                package["name"], package["version"]
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

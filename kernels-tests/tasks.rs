//! `pixtape demo --task`: each task trained for a few steps, and its page in a browser.

#[path = "support/browser.rs"]
mod browser;
mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

/// Loads every image, and writes what is on the page into the document.
const WITNESS: &str = r##"<script>
"use strict";
const said = [];
addEventListener("error", event => said.push(`ERROR ${event.message ?? event.target.src}`), true);
const complain = console.error;
console.error = (...words) => { said.push(`ERROR ${words.join(" ")}`); complain(...words); };
addEventListener("load", () => {
  const images = [...document.images];
  said.push(`images=${images.length > 0 && images.every(i => i.naturalWidth > 60)}`);
  said.push(`captions=${images.every(i => i.alt.length > 10)}`);
  said.push(`curves=${document.querySelectorAll("path.smooth").length > 2}`);
  said.push(`wide=${document.documentElement.scrollWidth <= innerWidth}`);
  said.push(`text=${!/NaN|undefined|inf\b/.test(document.body.innerText)}`);
  const list = document.createElement("pre");
  list.id = "said";
  list.textContent = said.join("\n");
  document.body.append(list);
});
</script>"##;

fn pixtape(words: &[&str], out: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pixtape"));
    command.arg("demo").args(words).arg("--out").arg(out).output().unwrap()
}

/// All files of a folder but the page, which tells times.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let all = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let named = all
        .map(|file| (file.file_name().into_string().unwrap(), std::fs::read(file.path()).unwrap()));
    named.filter(|(name, _)| !name.ends_with(".html")).collect()
}

/// Trains a task for a few steps: twice, for the same bytes; its page opens at both widths.
fn smoke(task: &str, least: &[&str]) {
    if support::gpu().is_none() {
        return;
    }
    let dirs = [(); 2].map(|()| tempfile::tempdir().unwrap());
    for dir in &dirs {
        let output = pixtape(&["--task", task, "--steps", "3"], dir.path());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{task}: {said}");
    }
    let [first, second] = dirs.each_ref().map(|dir| files(dir.path()));
    assert_eq!(first.keys().collect::<Vec<_>>(), second.keys().collect::<Vec<_>>(), "{task}");
    for (name, bytes) in &first {
        assert!(second[name] == *bytes, "{task}: {name} is another one the second time");
    }
    for file in least.iter().chain(&["grid.png"]) {
        assert!(first.contains_key(*file), "{task}: no {file} in {:?}", first.keys());
    }
    let page = dirs[0].path().join("index.html");
    let html = std::fs::read_to_string(&page).unwrap();
    let shown = html.matches("<img ").count();
    assert!(shown >= 1 && !html.contains("src=\"http"), "{task}");
    printed_commands_are_understood(&html, task);
    for width in [1200, 500] {
        let Some(said) = browser::drive(&page, width, WITNESS) else {
            println!("SKIPPED (no chromium)");
            return;
        };
        let want = ["images=true", "captions=true", "curves=true", "wide=true", "text=true"];
        assert_eq!(said, want, "{task} at {width}");
    }
}

/// Runs each command of a page where there are none of the files that it names: it may miss these,
/// and nothing else.
fn printed_commands_are_understood(html: &str, task: &str) {
    let nowhere = tempfile::tempdir().unwrap();
    let commands = html.split(">pixtape ").skip(1).map(|rest| rest.split('<').next().unwrap());
    let mut count = 0;
    for command in commands.filter(|command| command.contains("--")) {
        let mut run = Command::new(env!("CARGO_BIN_EXE_pixtape"));
        // No name has a space; quotes are for shells.
        let command = command.replace("&quot;", "");
        let output = run.args(command.split(' ')).current_dir(nowhere.path()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains("--help") && !said.contains("Usage"), "{task}: {command}: {said}");
        count += 1;
    }
    assert!(count >= 2, "{task}: {count} commands");
}

#[test]
fn colorize() {
    smoke("colorize", &["generator.safetensors"]);
}

#[test]
fn labels() {
    smoke("labels", &["generator.safetensors", "input.png"]);
}

#[test]
fn edges() {
    smoke("edges", &["generator.safetensors", "sketches.png"]);
}

#[test]
fn map_and_aerial() {
    smoke("map", &["generator.safetensors", "large.png"]);
    smoke("aerial", &["generator.safetensors", "large.png"]);
}

#[test]
fn night() {
    smoke("night", &["generator.safetensors", "unpaired.png"]);
}

#[test]
fn pose() {
    smoke("pose", &["generator.safetensors", "poses.png", "sequence.png"]);
}

#[test]
fn text() {
    smoke("text", &["generator.safetensors", "caption_1.png", "caption_4.png"]);
}

#[test]
fn paintings() {
    smoke("paintings", &["photo_to_painting.safetensors", "painting_to_photo.safetensors"]);
}

#[test]
fn zebra() {
    smoke("zebra", &["horse_to_zebra.safetensors", "zebra_to_horse.safetensors"]);
}

#[test]
fn streets() {
    smoke("streets", &[]);
}

#[test]
fn a_task_that_there_is_not_is_refused_with_those_that_there_are() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    for (words, says) in [
        (&["--task", "cats"][..], "paintings"),
        (&["--task", "night", "--model", "cycle_gan"], "cannot be used with"),
        (&["--task", "night", "--steps", "0"], "--steps 0"),
    ] {
        let output = pixtape(words, &out);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && said.contains(says), "{words:?}: {said}");
        assert!(!out.exists());
    }
}

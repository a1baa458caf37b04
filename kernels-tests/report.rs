//! A run's page in a browser: headless Chromium, where there is one.

#[path = "support/browser.rs"]
mod browser;

use browser::drive;
use pixtape::io::Picture;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

/// Drives the page as a person would, and writes what came of it into the document. Each step
/// checks one thing; errors of any script end up in the list too.
const DRIVER: &str = r##"<script>
"use strict";
const said = [];
const tell = (name, value) => said.push(`${name}=${value}`);
addEventListener("error", event => said.push(`ERROR ${event.message}`));
addEventListener("securitypolicyviolation", event => said.push(`ERROR refused ${event.blockedURI}`));
const complain = console.error;
console.error = (...words) => { said.push(`ERROR ${words.join(" ")}`); complain(...words); };
addEventListener("load", () => setTimeout(() => {
  try {
    const change = (node, value, kind) => { node.value = value; node.dispatchEvent(new Event(kind)); };
    const paths = () => [...document.querySelectorAll(".curve")].map(p => p.getAttribute("d"));
    const drawn = paths();
    tell("curves", drawn.filter(d => d.split("L").length > 20).length);
    tell("finite", drawn.every(d => !/NaN|Infinity|undefined/.test(d)));
    change(document.querySelector("#smoothing"), 0, "input");
    const rough = paths();
    change(document.querySelector("#smoothing"), 100, "input");
    tell("smoothing", rough[0] !== paths()[0] && document.querySelector("#smoothed").textContent);
    const log = document.querySelector("#log"), before = paths()[0];
    log.click();
    tell("log", before !== paths()[0] && paths().every(d => !/NaN|Infinity/.test(d)));
    log.click();
    const shown = () => [...document.querySelectorAll(".frame")].filter(f => !f.hidden).map(f => f.dataset.label).join();
    tell("last", shown());
    change(document.querySelector("#moment"), 0, "input");
    tell("first", shown() + "|" + document.querySelector("#when").textContent);
    tell("decoded", [...document.images].filter(i => i.naturalWidth > 0).length > 0);
    const plot = document.querySelector(".plot");
    const key = name => plot.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true }));
    key("Home");
    tell("cursor", document.querySelector(".where").textContent);
    const whole = paths()[0];
    key("+");
    tell("zoom", whole !== paths()[0] && !document.querySelector("[data-whole]").disabled);
    document.querySelector("[data-whole]").click();
    tell("back", whole === paths()[0]);
    const names = () => [...document.querySelectorAll(".tall tbody tr")].map(r => r.cells[0].textContent).join("");
    document.querySelectorAll(".tall th button")[1].click();
    const up = names();
    document.querySelectorAll(".tall th button")[1].click();
    tell("sorted", up + "," + names());
    document.querySelector(".key").click();
    tell("hidden", paths().length === drawn.length - 1);
    tell("wide", document.documentElement.scrollWidth <= innerWidth);
  } catch (e) { said.push(`ERROR ${e.stack}`); }
  const list = document.createElement("pre");
  list.id = "said";
  list.textContent = said.join("\n");
  document.body.append(list);
}, 300));
</script>"##;

fn run_folder(folder: &Path) {
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    std::fs::create_dir_all(folder.join("samples")).unwrap();
    std::fs::create_dir_all(folder.join("validation")).unwrap();
    write(
        "options.json",
        r#"{"format_version":1,"options":{"name":"</script><b>run","model":"pix2pix","gan_mode":"vanilla","batch_size":1,"n_epochs":3,"n_epochs_decay":3}}"#,
    );
    let (mut losses, mut timing) = (String::new(), String::new());
    for step in 1..=4000u32 {
        let wave = (f64::from(step) / 9.0).sin();
        let (epoch, l1) =
            ((step - 1) / 1000 + 1, 20.0 + wave + 20.0 * (-f64::from(step) / 500.0).exp());
        writeln!(
            losses,
            r#"{{"step":{step},"epoch":{epoch},"G_GAN":{},"G_L1":{l1},"D_real":null,"D_fake":{}}}"#,
            1.0 + 0.5 * wave,
            0.6 - 0.1 * wave
        )
        .unwrap();
        writeln!(
            timing,
            r#"{{"step":{step},"seconds":0.1,"data_wait":0.001,"lr_G":0.0002,"lr_D":0.0002}}"#
        )
        .unwrap();
    }
    write("losses.jsonl", &losses);
    write("timing.jsonl", &timing);
    let validated: String = (1..=30)
        .map(|e| format!("{{\"step\":{},\"epoch\":{e},\"l1\":{}}}\n", e * 100, 1.0 / f64::from(e)))
        .collect();
    write("validation.jsonl", &validated);
    write(
        "validation/rows.json",
        r#"{"step":3000,"rows":[{"name":"a","l1":0.2},{"name":"b","l1":0.1},{"name":"c","l1":0.3}]}"#,
    );
    for epoch in 1..=3u8 {
        Picture::new(30, 20, 3, vec![epoch * 60; 1800])
            .unwrap()
            .save_png(&folder.join(format!("samples/epoch00{epoch}.png")))
            .unwrap();
    }
}

/// Looks for what a name could have become, and writes it into the document.
const WITNESS: &str = r##"<script>
"use strict";
const said = [];
addEventListener("error", event => said.push(`ERROR ${event.message}`));
addEventListener("securitypolicyviolation", event => said.push(`ERROR refused ${event.blockedURI}`));
addEventListener("load", () => setTimeout(() => {
  const all = [...document.querySelectorAll("*")];
  said.push(`owned=${window.owned}`);
  said.push(`scripts=${document.scripts.length}`);
  said.push(`handlers=${all.filter(e => [...e.attributes].some(a => a.name.startsWith("on"))).length}`);
  said.push(`links=${all.filter(e => /^\s*javascript:/i.test(e.href ?? e.src ?? "")).length}`);
  said.push(`pictures=${[...document.images].filter(i => !i.src.startsWith("data:")).length}`);
  said.push(`curves=${document.querySelectorAll(".curve").length > 0}`);
  for (const head of document.querySelectorAll("th button, .key")) head.click();
  said.push(`owned=${window.owned}`);
  const list = document.createElement("pre");
  list.id = "said";
  list.textContent = said.join("\n");
  document.body.append(list);
}, 300));
</script>"##;

#[test]
fn the_page_works_in_a_browser() {
    let dir = tempfile::tempdir().unwrap();
    run_folder(dir.path());
    let output =
        Command::new(env!("CARGO_BIN_EXE_pixtape")).arg("report").arg(dir.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let Some(said) = drive(&dir.path().join("report.html"), 1200, DRIVER) else {
        println!("SKIPPED (no chromium)");
        return;
    };
    // G_L1, G_GAN, D_fake, validation, two of speed, the rate; D_real holds nothing.
    let want = [
        "curves=7",
        "finite=true",
        "smoothing=over 1,000 steps",
        "log=true",
        "last=epoch 3, step 3,000",
        "first=epoch 1, step 1,000|epoch 1, step 1,000",
        "decoded=true",
        "cursor=step 2 · epoch 1",
        "zoom=true",
        "back=true",
        "sorted=bac,cab",
        "hidden=true",
        "wide=true",
    ];
    assert_eq!(said, want);
}

#[test]
fn nothing_that_is_a_name_in_a_run_runs_in_a_browser() {
    let dir = tempfile::tempdir().unwrap();
    run_folder(dir.path());
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    let evil = "\\\"'><img src=x onerror=window.owned=1></script><script>window.owned=2</script>\
                <svg onload=window.owned=3><!--\u{2028}\\n`${window.owned=4}` javascript:window.owned=5\u{202e}";
    write(
        "options.json",
        &format!(
            r#"{{"format_version":1,"options":{{"name":"{evil}","model":"pix2pix","gan_mode":"vanilla","netG":"{evil}","n_epochs":3}}}}"#
        ),
    );
    let losses: String = (1..=50)
        .map(|i| format!("{{\"step\":{i},\"epoch\":1,\"G_L1\":{i},\"{evil}\":{i}}}\n"))
        .collect();
    write("losses.jsonl", &losses);
    write("events.jsonl", &format!("{{\"step\":3,\"message\":\"{evil}\"}}\n"));
    write(
        "validation/rows.json",
        &format!(
            r#"{{"step":50,"rows":[{{"name":"{evil}","l1":0.2}},{{"name":"{evil}2","l1":1}}]}}"#
        ),
    );
    write(
        "info.json",
        &format!(r#"{{"adapter":"{evil}","parameters":{{"{evil}":3}},"memory":{{"{evil}":4}}}}"#),
    );
    let mut command = Command::new(env!("CARGO_BIN_EXE_pixtape"));
    let output = command.arg("report").arg(dir.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let Some(said) = drive(&dir.path().join("report.html"), 1200, WITNESS) else {
        println!("SKIPPED (no chromium)");
        return;
    };
    // The page's own three scripts and the witness.
    let want = [
        "owned=undefined",
        "scripts=4",
        "handlers=0",
        "links=0",
        "pictures=0",
        "curves=true",
        "owned=undefined",
    ];
    assert_eq!(said, want);
}

//! Pages of made-up runs.

use crate::outputs::report::*;
use pixtape::io::Picture;
use serde_json::{Value, json};
use std::fmt::Write;
use tempfile::TempDir;

/// A picture that no format makes small.
pub(crate) fn noise(width: u32, height: u32, seed: u64) -> Picture {
    let seed = pixtape::rng::fold_seed(seed);
    let data =
        (0..width * height * 3).map(|i| (pixtape::rng::random(i, 0, 0, seed)[0] >> 24) as u8);
    Picture::new(width, height, 3, data.collect()).unwrap()
}

/// A run's folder with losses and times, as a run of the first version leaves it but for the
/// pictures.
pub(crate) fn run_folder(steps: u32, per_epoch: u32) -> TempDir {
    named_folder("first", steps, per_epoch, json!({}))
}

fn named_folder(name: &str, steps: u32, per_epoch: u32, more: Value) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("samples")).unwrap();
    let mut options = json!({
        "name": name, "model": "pix2pix", "netG": "unet_256", "gan_mode": "vanilla",
        "batch_size": 2, "lr": 0.001, "n_epochs": 3, "n_epochs_decay": 2,
    });
    more.as_object().unwrap().iter().for_each(|(k, v)| options[k] = v.clone());
    let whole = json!({ "format_version": 1, "options": options });
    std::fs::write(dir.path().join("options.json"), whole.to_string()).unwrap();
    let (mut losses, mut timing) = (String::new(), String::new());
    for step in 1..=steps {
        let (epoch, far) = ((step - 1) / per_epoch + 1, 40.0 * (-f64::from(step) / 300.0).exp());
        let jump = f64::from(step * 7919 % 101) / 101.0;
        writeln!(
            losses,
            "{}",
            json!({
                "step": step, "epoch": epoch, "G_GAN": 0.5 + jump, "G_L1": 10.0 + far + jump,
                "D_real": 0.7, "D_fake": 0.6,
            })
        )
        .unwrap();
        writeln!(
            timing,
            "{}",
            json!({
                "step": step, "seconds": 0.25, "data_wait": 0.05, "lr_G": 0.001, "lr_D": 0.001,
            })
        )
        .unwrap();
    }
    std::fs::write(dir.path().join("losses.jsonl"), losses).unwrap();
    std::fs::write(dir.path().join("timing.jsonl"), timing).unwrap();
    dir
}

/// Writes the page and reads it.
pub(crate) fn page_of(folder: &Path) -> String {
    write(folder).unwrap();
    std::fs::read_to_string(folder.join(NAME)).unwrap()
}

/// What the page's charts draw.
fn data_of(html: &str) -> Value {
    serde_json::from_str(
        html.split("id=\"data\">").nth(1).unwrap().split("</script>").next().unwrap(),
    )
    .unwrap()
}

#[test]
fn a_run_of_the_first_version_has_a_page() {
    let dir = run_folder(30, 10);
    let html = page_of(dir.path());
    assert!(
        html.contains("<h1>first</h1>")
            && html.contains("step 30 of 50")
            && html.contains("epoch 3 of 5"),
        "{html}"
    );
    // 2 images in 0.25 s, 0.05 of 0.25 s waited.
    assert!(
        html.contains("<dd>8<small>0.25 s per step")
            && html.contains("7.5 s<small>20 % of it waiting for data")
    );
    assert!(
        html.contains("--lr</th><td>0.001</td><td>0.0002</td><td>Learning rate<")
            && html.contains("--batch_size</th><td>2</td><td>1</td>")
    );
    let titles: Vec<_> = data_of(&html)["charts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["title"].as_str().unwrap().to_string())
        .collect();
    assert_eq!(
        titles,
        [
            "Distance from the target",
            "Adversarial losses",
            "Images per second",
            "Share of time spent waiting for data, %",
            "Learning rate"
        ]
    );
    let game = &data_of(&html)["charts"][1];
    assert_eq!(
        (game["series"].as_array().unwrap().len(), game["lines"][0]["y"].as_f64()),
        (3, serde_json::from_str("0.69315").ok())
    );
    assert_eq!(data_of(&html)["epochs"], json!([1.0, 11.0, 21.0]));
}

#[test]
fn a_run_without_a_step_has_a_page() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join("options.json"),
        r#"{"format_version":1,"options":{"name":"young"}}"#,
    )
    .unwrap();
    let html = page_of(dir.path());
    assert!(html.contains("No step was recorded yet") && html.contains("step 0."));
    assert_eq!(data_of(&html)["charts"], json!([]));
}

#[test]
fn a_folder_that_is_no_run_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let message = write(dir.path()).unwrap_err().to_string();
    assert!(
        message.contains("options.json") && message.contains("the folder of a run"),
        "{message}"
    );
    assert!(!dir.path().join(NAME).exists());
}

#[test]
fn everything_that_a_run_leaves_is_on_its_page_and_escaped() {
    crate::messages::know(&<crate::cli::Cli as clap::CommandFactory>::command());
    let dir = named_folder("<b>&", 50, 10, json!({ "dataroot": "a\"<b>" }));
    let put = |name: &str, value: Value| {
        std::fs::write(dir.path().join(name), value.to_string() + "\n").unwrap()
    };
    put(
        "events.jsonl",
        json!({ "step": 7, "kind": "d_wins", "message": "D wins <b>: lower `lr_D`" }),
    );
    put("best.json", json!({ "step": 20, "epoch": 2, "metric": "l1", "value": 0.25 }));
    put(
        "validation.jsonl",
        json!({ "step": 20, "epoch": 2, "pictures": 4, "l1": 0.25, "psnr": 11.0, "ssim": 0.5 }),
    );
    put(
        "info.json",
        json!({ "version": "0.1.0", "commit": null, "adapter": "card <b>", "parameters": { "G": 1234567, "D": 5 }, "process_peak_bytes": 3 << 20,
            "memory": { "parameters": 1 << 20, "gradients": 1 << 20, "total": 2 << 20 },
            "data": { "pairs": 20, "width": 64, "height": 32, "batch_size": 2, "batches_per_epoch": 10 } }),
    );
    std::fs::create_dir(dir.path().join("validation")).unwrap();
    put("validation/worst.json", json!(["x<b>", "y"]));
    noise(12, 8, 1).save_png(&dir.path().join("validation/worst.png")).unwrap();
    noise(12, 8, 2).save_png(&dir.path().join("samples/epoch001.png")).unwrap();
    noise(12, 8, 3).save_png(&dir.path().join("samples/epoch002.png")).unwrap();
    let html = page_of(dir.path());
    assert!(!html.replace("<b>Step 7</b>", "").contains("<b>"), "something is not escaped");
    for part in [
        "Finished",
        "step 50 of 50",
        "<b>Step 7</b>: D wins &lt;b&gt;: lower --lr_D",
        "Best weights so far (kept): L1 0.25 after step 20",
        "x&lt;b&gt;, y",
        "card &lt;b&gt;",
        "G 1,234,567, D 5",
        "Planned on the device: 2.0 MiB. Peak memory of the program: 3.0 MiB.",
        "64x32, batch size 2",
        "20, 10 steps per epoch",
        "max=\"1\"",
    ] {
        assert!(html.contains(part), "{part} is not on the page");
    }
    assert_eq!(html.matches("data:image/png;base64,").count(), 3);
}

#[test]
fn a_page_that_is_written_often_is_not_written_each_time() {
    let dir = run_folder(3, 2);
    let mut live = Live::new(dir.path());
    live.write().unwrap();
    std::fs::remove_file(dir.path().join(NAME)).unwrap();
    // As if that had taken an hour, and then as if it had taken no time.
    live.last = Some((Instant::now(), Duration::from_secs(3600)));
    live.write().unwrap();
    assert!(!dir.path().join(NAME).exists());
    live.last = Some((Instant::now(), Duration::ZERO));
    live.write().unwrap();
    assert!(dir.path().join(NAME).exists());
}

#[test]
fn lines_of_chance_are_those_of_the_runs_options() {
    let charts = |html: &str| data_of(html)["charts"].as_array().unwrap().clone();
    let levels = |chart: &Value| {
        chart["lines"]
            .as_array()
            .unwrap()
            .iter()
            .map(|l| (l["y"].as_f64().unwrap() * 1e3).round() as u32)
            .collect::<Vec<_>>()
    };
    let smoothed = named_folder("s", 3, 3, json!({ "label_smoothing": 0.1, "lambda_GAN": 0.5 }));
    let html = page_of(smoothed.path());
    assert_eq!(levels(&charts(&html)[1]), [399, 778, 598]);
    assert!(html.contains("the mean of its losses is 0.1625"));
    let wgan = named_folder("w", 3, 3, json!({ "gan_mode": "wgangp" }));
    let html = page_of(wgan.path());
    assert!(levels(&charts(&html)[1]).is_empty() && !html.contains("chance"));
    // Side by side each loss has its own lines.
    let runs = [
        Run::read(smoothed.path()).unwrap(),
        Run::read(wgan.path()).unwrap(),
        Run::read(run_folder(3, 3).path()).unwrap(),
    ];
    let html = compare::render(&runs).unwrap();
    let of = |name: &str| {
        levels(
            charts(&html).iter().find(|c| c["title"].as_str().unwrap().starts_with(name)).unwrap(),
        )
    };
    assert_eq!(
        [of("G_GAN"), of("D_real"), of("D_fake"), of("G_L1")],
        [vec![399, 693], vec![778, 693], vec![598, 693], vec![]]
    );
    assert_eq!(html.matches("These runs measure it differently").count(), 3);
}

#[test]
fn runs_are_compared() {
    let (a, b) = (
        named_folder("a", 30, 10, json!({})),
        named_folder("<b>", 20, 5, json!({ "gan_mode": "lsgan", "lr": 0.5 })),
    );
    noise(12, 8, 3).save_png(&a.path().join("samples/epoch002.png")).unwrap();
    let out = a.path().join("compare.html");
    let runs = [a.path().to_path_buf(), b.path().to_path_buf()];
    write_comparison(&runs, &out).unwrap();
    let html = std::fs::read_to_string(&out).unwrap();
    assert!(!html.contains("<b>") && html.contains("&lt;b&gt;"));
    assert!(
        html.contains("--lr</th><td>0.001</td><td>0.5</td><td>Learning rate")
            && html.contains("--gan_mode</th><td>vanilla</td><td>lsgan</td>")
    );
    assert!(!html.contains("--batch_size") && html.contains("compare shapes, not values"));
    assert!(html.contains("<th scope=\"row\">steps</th><td>30 of 50</td><td>20 of 25</td>"));
    let data = data_of(&html);
    let chart = data["charts"]
        .as_array()
        .unwrap()
        .iter()
        .find(|c| c["title"].as_str().unwrap().starts_with("G_L1"))
        .unwrap();
    let series = chart["series"].as_array().unwrap();
    assert_eq!(
        (
            series.len(),
            series[0]["y"].as_array().unwrap().len(),
            series[1]["y"].as_array().unwrap().len()
        ),
        (2, 30, 20)
    );
    assert_eq!(html.matches("data:image/png;base64,").count(), 1);
    // Two runs of the same name are distinguished by their folders.
    write_comparison(&[runs[0].clone(), runs[0].clone()], &out).unwrap();
    assert!(
        std::fs::read_to_string(&out)
            .unwrap()
            .contains(&html::escape(&a.path().display().to_string()))
    );
}

/// A run of which everything that is text is `text`, with a number where it has to differ.
fn run_of(text: &str) -> TempDir {
    let at = |n: usize| format!("{text}{n}");
    let options = json!({ "netG": at(1), "gan_mode": at(2), "phase": at(3), "dataroot": at(4) });
    let dir = named_folder(text, 40, 10, options);
    let write = |name: &str, value: &str| {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, value).unwrap();
    };
    let rows = |fields: &[&str]| -> String {
        let row = |step: usize| {
            let mut row = json!({ "step": step, "epoch": step / 10 + 1 });
            fields.iter().for_each(|name| row[*name] = (0.5 + step as f64 / 80.0).into());
            format!("{row}\n")
        };
        (1..=40).map(row).collect()
    };
    write("losses.jsonl", &rows(&["G_GAN", "G_L1", &at(5), &at(6)]));
    write("validation.jsonl", &rows(&["l1", &at(7)]));
    let rows = [at(8), at(9)].map(|name| json!({ "name": name, "l1": 0.25, "psnr": 20.5 }));
    write("validation/rows.json", &json!({ "step": 40, "rows": rows }).to_string());
    write("validation/worst.json", &json!({ "names": [at(8), at(9)] }).to_string());
    noise(48, 16, 1).save_png(&dir.path().join("validation/worst.png")).unwrap();
    noise(48, 16, 1).save_png(&dir.path().join("samples/epoch001.png")).unwrap();
    noise(48, 16, 2).save_png(&dir.path().join("samples/latest.png")).unwrap();
    let events = [
        json!({ "step": 3, "kind": text, "message": at(10) }),
        json!({ "step": 4, "kind": at(11) }),
    ];
    write("events.jsonl", &events.map(|event| format!("{event}\n")).concat());
    let memory = json!({ text: 1000, "total": 2000 });
    let info = json!({
        "adapter": at(12), "driver": at(13), "version": at(14), "commit": at(15), "kernels": at(16),
        "backend": at(17), "memory": memory, "parameters": { text: 5, at(18): 6 },
        "data": { "summary": at(19), "notes": [at(20)], "batch_size": at(21), "width": 8, "height": 8 },
    });
    write("info.json", &info.to_string());
    let best = json!({ "step": 20, "epoch": 2, "metric": at(22), "value": 0.5 });
    write("best.json", &best.to_string());
    dir
}

/// Names of the tags of a page and of their attributes, in order.
fn structure(html: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = html;
    while let Some((_, after)) = rest.split_once('<') {
        let (mut tag, mut quoted) = (String::new(), false);
        let end = after.find(|c: char| {
            quoted ^= c == '"';
            if !quoted && c != '>' {
                tag.push(c);
            }
            !quoted && c == '>'
        });
        rest = &after[end.expect("a tag that ends")..];
        for raw in ["script", "style"] {
            // Their text is no HTML up to the closing tag.
            if tag.starts_with(raw) {
                rest = &rest[rest.find(&format!("</{raw}")).expect("a closing tag")..];
            }
        }
        found.push(tag);
    }
    found
}

#[test]
fn whatever_names_a_run_has_its_pages_are_of_the_same_tags() {
    let plain = run_of("plain");
    let wanted = structure(&page_of(plain.path()));
    assert!(wanted.len() > 100, "{wanted:?}");
    let evil = [
        r#""'><img src=x onerror=owned()>"#,
        "</script><script>owned()</script>",
        "</title></style></textarea><svg onload=owned()>",
        "<!--<script>",
        "-->",
        "${owned()}`owned()`{{owned()}}",
        "javascript:owned()",
        "a\nb\r\nc\u{2028}d\u{2029}e\u{0}f",
        "\u{202e}gnp.exe\u{2066}\u{200f}",
        "&lt;script&gt; &#60;b&#62; &amp",
        "\\u003cscript\\u003e \\\" \\'",
    ];
    for text in evil.iter().map(|t| t.to_string()).chain([evil.concat()]) {
        let run = run_of(&text);
        let html = page_of(run.path());
        assert_eq!(structure(&html), wanted, "{text:?}");
        assert_eq!(html.matches("<script").count(), 3, "{text:?}");
        assert!(!html.contains("<img src=x") && !html.contains("<svg onload"), "{text:?}");
        // What the charts read is what was written.
        let written = serde_json::to_string(&text).unwrap();
        assert!(data_of(&html).to_string().contains(written.trim_matches('"')), "{text:?}");
        let out = run.path().join("both.html");
        write_comparison(&[run.path().into(), plain.path().into()], &out).unwrap();
        let both = std::fs::read_to_string(&out).unwrap();
        assert!(!both.contains("<img src=x") && !both.contains("<svg onload"), "{text:?}");
        assert_eq!(both.matches("<script").count(), 3, "{text:?}");
    }
}

#[test]
fn logs_made_to_fill_memory_do_not() {
    let dir = run_folder(3, 3);
    let rows: String =
        (0..20_000).map(|i| format!("{{\"step\":{i},\"epoch\":1,\"x{i}\":1}}\n")).collect();
    std::fs::write(dir.path().join("losses.jsonl"), rows).unwrap();
    let run = Run::read(dir.path()).unwrap();
    assert!(run.losses.columns.len() <= 64 && run.losses.steps.len() == 20_000);
    page_of(dir.path());
    let odd = r#"{"step":0,"epoch":1}
{"step":0,"epoch":2}
{"step":18446744073709551615,"epoch":1e300}
"#;
    std::fs::write(dir.path().join("losses.jsonl"), odd).unwrap();
    let options = json!({ "format_version": 1, "options": {
        "name": "x", "n_epochs": 1e300, "n_epochs_decay": 1e300, "batch_size": -5, "max_steps": "a",
    } });
    std::fs::write(dir.path().join("options.json"), options.to_string()).unwrap();
    page_of(dir.path());
}

//! Pages in headless Chromium.

use std::path::Path;
use std::process::Command;

/// Opens a page with a script put into its head, a driver that leaves lines in an element `said`;
/// gives these. None where there is no Chromium.
pub fn drive(page: &Path, width: u32, driver: &str) -> Option<Vec<String>> {
    let chromium = ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find(|name| Command::new(name).arg("--version").output().is_ok())?;
    let profile = tempfile::tempdir().unwrap();
    let html = std::fs::read_to_string(page).unwrap();
    let driven = page.with_extension("driven.html");
    // Before the page's own scripts, so that their errors are heard.
    let end = ["</head>", "<body>"].into_iter().find(|end| html.contains(end)).expect("a body");
    std::fs::write(&driven, html.replacen(end, &format!("{driver}{end}"), 1)).unwrap();
    let output = Command::new(chromium)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ])
        .args(["--no-first-run", "--virtual-time-budget=5000", "--dump-dom"])
        .arg(format!("--window-size={width},900"))
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("file://{}", driven.display()))
        .output()
        .unwrap();
    let dom = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = dom.split("<pre id=\"said\">").nth(1).and_then(|rest| rest.split("</pre>").next());
    let said = said.unwrap_or_else(|| {
        panic!("the driver said nothing: {}\n{dom:.2000}", String::from_utf8_lossy(&output.stderr))
    });
    Some(said.lines().map(String::from).collect())
}

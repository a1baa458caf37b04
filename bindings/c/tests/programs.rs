//! Programs in C and Python that use the library: built, run, and compared with the program.
//!
//! Those in C are built with AddressSanitizer, which sees every access of theirs, every block of
//! memory that either side allocates, and what is never freed.

mod support;

use engine::io::Picture;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{fails, folder, have, libraries, ok, root, skipped};

/// What a static library of Rust needs, as `rustc --print native-static-libs` says.
const SYSTEM: [&str; 6] = ["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl"];

/// Builds a program; without warnings, in the oldest C that has the integers. None where nothing
/// compiles C.
fn build(source: &str, to: &Path, how: &[&str]) -> Option<PathBuf> {
    if !have("cc") {
        skipped("no C compiler (cc)");
        return None;
    }
    let mut cc = Command::new("cc");
    cc.args(["-std=c99", "-D_POSIX_C_SOURCE=200809L", "-Wall", "-Wextra", "-Werror", "-pedantic"]);
    cc.args(["-g", "-O1", "-I"]).arg(root().join("include"));
    cc.arg(root().join(source)).arg("-o").arg(to).args(how);
    ok(&mut cc);
    Some(to.into())
}

/// Builds a program with AddressSanitizer against the static library.
fn sanitized(source: &str, to: &Path) -> Option<PathBuf> {
    let library = libraries().join("libpixtape.a");
    let library = [library.to_str().unwrap()];
    build(source, to, &[&["-fsanitize=address"], &library[..], &SYSTEM].concat())
}

/// A program built by [`sanitized`], ready to run: what it leaks is an error.
fn run(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("ASAN_OPTIONS", "detect_leaks=1");
    command
}

/// Whether there is an adapter.
fn adapter() -> bool {
    let found = pollster::block_on(engine::gpu::adapters()).iter().any(|a| a.usable);
    if !found {
        skipped("no adapter");
    }
    found
}

/// An image of an odd size, of which a U-Net has to pad both sides.
fn image() -> Picture {
    let (w, h) = (45_u32, 70);
    let value = |i: u32| (i * 37 + i / (3 * w) * 11 + i * i / 97) as u8;
    Picture::new(w, h, 3, (0..3 * w * h).map(value).collect()).unwrap()
}

fn ppm(path: &Path, picture: &Picture) {
    let mut bytes = format!("P6\n{} {}\n255\n", picture.width, picture.height).into_bytes();
    bytes.extend_from_slice(&picture.data);
    std::fs::write(path, bytes).unwrap();
}

/// What the program `pixtape` makes of an image, as a PPM.
fn of_the_program(folder: &Path) -> Vec<u8> {
    let program = std::env::var_os("PIXTAPE_PROGRAM").map(PathBuf::from);
    let beside = libraries().join("pixtape");
    let mut pixtape = Command::new(program.unwrap_or(beside));
    pixtape.arg("translate").arg("--checkpoint").arg(folder.join("G")).arg("--tune").arg("off");
    let png = folder.join("out.png");
    pixtape.arg("--input").arg(folder.join("in.ppm")).arg("--output").arg(&png);
    ok(&mut pixtape);
    let made = engine::io::Loaded::read(&png, Default::default()).unwrap().picture;
    ppm(&folder.join("program.ppm"), made.as_8bit().unwrap());
    std::fs::read(folder.join("program.ppm")).unwrap()
}

#[test]
fn the_example_gives_the_programs_image_to_the_bit_from_both_libraries() {
    let dir = folder();
    let at = |name: &str| dir.path().join(name);
    if !adapter() {
        return;
    }
    ppm(&at("in.ppm"), &image());
    let shared = libraries();
    let shared = shared.to_str().unwrap();
    let path = format!("-Wl,-rpath,{shared}");
    let how = ["-L", shared, &path, "-lpixtape"];
    let Some(statically) = sanitized("example.c", &at("static")) else { return };
    let Some(dynamically) = build("example.c", &at("shared"), &how) else { return };
    let expected = of_the_program(dir.path());
    assert_ne!(expected, std::fs::read(at("in.ppm")).unwrap());
    for program in [&statically, &dynamically] {
        let said = ok(run(program).arg(at("G")).arg(at("in.ppm")).arg(at("out.ppm")));
        assert!(said.starts_with("U-Net of 5 halvings on "), "{said}");
        assert!(std::fs::read(at("out.ppm")).unwrap() == expected, "{}", program.display());
        std::fs::remove_file(at("out.ppm")).unwrap();
    }
    for (weights, adapter, words) in [
        ("text", None, "text: "),
        ("cut", None, "cut: "),
        ("none", None, "no such file or folder"),
        ("G", Some("no such card"), "no such adapter; there are: 0 "),
    ] {
        let mut example = run(&statically);
        example.arg(at(weights)).arg(at("in.ppm")).arg(at("out.ppm")).args(adapter);
        let said = fails(&mut example);
        assert!(said.starts_with("error: ") && said.contains(words), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(!at("out.ppm").exists());
    }
}

#[test]
fn every_function_refuses_null_and_wrong_sizes_without_a_leak() {
    let dir = folder();
    let Some(check) = sanitized("tests/check.c", &dir.path().join("check")) else { return };
    if adapter() {
        ok(run(&check).arg("misuse").arg(dir.path()));
    }
}

#[test]
fn threads_share_a_device_and_a_generator_and_have_their_own_errors() {
    let dir = folder();
    let Some(check) = sanitized("tests/check.c", &dir.path().join("check")) else { return };
    if adapter() {
        ok(run(&check).arg("threads").arg(dir.path()));
    }
}

#[test]
fn a_machine_without_a_driver_is_told_what_to_install() {
    let dir = folder();
    let Some(check) = sanitized("tests/check.c", &dir.path().join("check")) else { return };
    let mut command = run(&check);
    command.env("VK_DRIVER_FILES", "/nonexistent").env("WGPU_BACKEND", "vulkan");
    ok(command.arg("nodevice").arg(dir.path()));
}

#[test]
fn a_leak_would_be_seen() {
    // A check that cannot fail is none: the same program, with a handle that is not freed.
    let dir = folder();
    let source = "#include \"pixtape.h\"\nint main(void) { pixtape_adapters *list = 0;\n\
                  int no = pixtape_adapters_list(&list); list = 0; return no; }\n";
    let file = dir.path().join("leak.c");
    std::fs::write(&file, source).unwrap();
    let Some(leak) = sanitized(file.to_str().unwrap(), &dir.path().join("leak")) else { return };
    let output = run(&leak).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("LeakSanitizer"), "{said}");
}

#[test]
fn the_header_is_c_plus_plus_too() {
    if !have("c++") {
        return skipped("no C++ compiler (c++)");
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.cpp");
    std::fs::write(
        &file,
        "#include \"pixtape.h\"\nint main() { return pixtape_version() == 0; }\n",
    )
    .unwrap();
    let mut compile = Command::new("c++");
    compile.args(["-std=c++11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I"]);
    ok(compile.arg(root().join("include")).arg(file));
}

#[test]
fn the_python_module_works() {
    let python = std::env::var("PIXTAPE_PYTHON").unwrap_or("python3".into());
    let numpy = Command::new(&python).args(["-c", "import numpy"]).output();
    if !numpy.is_ok_and(|o| o.status.success()) {
        // `bindings/test` says so, and so does CI.
        println!("SKIPPED: no python3 with numpy (PIXTAPE_PYTHON names one)");
        return;
    }
    if !adapter() {
        return;
    }
    let dir = folder();
    ppm(&dir.path().join("in.ppm"), &image());
    of_the_program(dir.path());
    let mut test = Command::new(python);
    test.arg(root().join("../python/test_pixtape.py")).arg("-v");
    test.env("PIXTAPE_LIBRARY", libraries().join("libpixtape.so")).env("PIXTAPE_FILES", dir.path());
    ok(&mut test);
}

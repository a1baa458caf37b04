//! `pixtape-bindgen IN.wasm OUT_FOLDER NAME`: what wasm-bindgen's program does, for a page without a
//! bundler.

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [input, out, name] = &arguments[..] else {
        eprintln!("usage: pixtape-bindgen IN.wasm OUT_FOLDER NAME");
        std::process::exit(2);
    };
    let mut bindgen = wasm_bindgen_cli_support::Bindgen::new();
    let made = bindgen.web(true).and_then(|bindgen| {
        bindgen
            .typescript(false)
            .remove_name_section(true)
            .remove_producers_section(true)
            .omit_default_module_path(false)
            .out_name(name)
            .input_path(input)
            .generate(out)
    });
    if let Err(error) = made {
        eprintln!("pixtape-bindgen: {error:#}");
        std::process::exit(1);
    }
}

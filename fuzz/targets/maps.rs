#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| pixtape_fuzz::case("maps", data));

//! Forms with files, under the fuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| bodies::uploads::run(input));

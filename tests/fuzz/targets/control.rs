//! The operator's socket, under the fuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| bodies::control::run(input));

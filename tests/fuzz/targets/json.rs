//! Bodies and queries of the API, under the fuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| bodies::json::run(input));

//! People who come back from a platform, under the fuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| bodies::oauth::run(input));

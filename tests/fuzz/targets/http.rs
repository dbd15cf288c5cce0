//! Bytes on a connection, under the fuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| bodies::http::run(input));

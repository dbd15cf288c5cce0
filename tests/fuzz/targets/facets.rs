//! Rich text of Bluesky, under the fuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| bodies::facets::run(input));

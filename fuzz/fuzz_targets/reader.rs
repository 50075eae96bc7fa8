//! Any bytes are refused or read, and a model that passes can be simulated.

#![no_main]

use libfuzzer_sys::fuzz_target;
use workflow::simulate::{self, Options};

fuzz_target!(|bytes: &[u8]| {
    let findings = simulate::check_file(bytes);
    if findings.is_empty() {
        let options = Options {
            auto_complete: true,
            jump_timers: true,
            max_steps: Some(200),
            ..Options::default()
        };
        let mut out = Vec::new();
        simulate::run(bytes, &options, &mut out).expect("writing to memory does not fail");
    }
});

//! Any inputs on a model that uses most elements keep the balance of tokens, and an instance that
//! is saved and read after each of them is the same as one that is not.

#![no_main]

use std::sync::{Arc, LazyLock};

use chrono::{DateTime, Utc};
use libfuzzer_sys::fuzz_target;
use workflow::{
    check::read_and_check,
    core::{Input, Instance, Process, step},
};

static PROCESS: LazyLock<Process> = LazyLock::new(|| {
    let (model, findings) = read_and_check(include_bytes!("../model.bpmn"));
    let model = model.unwrap_or_else(|| panic!("{findings:?}"));
    Process::new(Arc::new(model), None).expect("the model has a process")
});

fuzz_target!(|bytes: &[u8]| {
    let Ok(inputs) = serde_json::from_slice::<Vec<Input>>(bytes) else {
        return;
    };
    let now = DateTime::<Utc>::UNIX_EPOCH;
    let mut kept = PROCESS.instance();
    let mut saved = PROCESS.instance();
    for input in inputs.into_iter().take(100) {
        let before = kept.clone();
        let done = step(&PROCESS, &mut kept, input.clone(), now);
        assert_eq!(done.is_ok(), step(&PROCESS, &mut saved, input, now).is_ok());
        if done.is_err() {
            assert_eq!(before, kept, "a rejected input changes nothing");
        }
        assert!(kept.is_balanced());
        let text = serde_json::to_vec(&saved).expect("an instance can be written");
        saved = serde_json::from_slice::<Instance>(&text).expect("and read");
        assert_eq!(kept, saved);
    }
});

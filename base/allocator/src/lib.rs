//! The executable's allocator, and how soon it gives memory back.
//!
//! Owns mimalloc and the one option of it that is not left as it is. This crate calls a function of
//! C, which the others may not.

use std::{
    ffi::{c_int, c_long},
    time::Duration,
};

pub use mimalloc::MiMalloc;

/// Place of `purge_delay` in mimalloc's list of options, in its versions 2 and 3.
const PURGE_DELAY: c_int = 15;

// SAFETY: the signature is that of `mimalloc.h`, whatever the arguments: an option that mimalloc does
// not have is ignored, and the value of one that it has is a word that it reads when it needs it.
unsafe extern "C" {
    safe fn mi_option_set(option: c_int, value: c_long);
}

/// From now on pages that are free for so long go back to the system. Left alone, mimalloc keeps
/// them for a second, in which a stream of rows touches several times what it needs at once.
pub fn give_back_after(delay: Duration) {
    let millis = c_long::try_from(delay.as_millis()).unwrap_or(c_long::MAX);
    mi_option_set(PURGE_DELAY, millis);
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[global_allocator]
    static ALLOCATOR: MiMalloc = MiMalloc;

    unsafe extern "C" {
        safe fn mi_option_get(option: c_int) -> c_long;
    }

    /// Megabytes of this process that no file stands behind.
    fn resident() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("RssAnon:"));
        let kilobytes = line.unwrap().split_whitespace().nth(1).unwrap();
        kilobytes.parse::<u64>().unwrap() / 1024
    }

    /// Takes and gives back memory for a while that is longer than the one delay, and shorter than the
    /// other.
    fn work() {
        for _ in 0..20 {
            std::thread::sleep(Duration::from_millis(5));
            drop(std::hint::black_box(vec![1_u8; 1 << 20]));
        }
    }

    /// The number of the option is right: what is free goes back as late as was said, which the
    /// system sees.
    #[test]
    fn memory_goes_back_after_the_delay() {
        assert_eq!(mi_option_get(PURGE_DELAY), 1000, "the usual delay");
        let fill = || drop(std::hint::black_box(vec![1_u8; 64 << 20]));
        let before = resident();
        fill();
        give_back_after(Duration::from_millis(10));
        // What is to go later by the delay of before is gone then.
        std::thread::sleep(Duration::from_millis(1100));
        work();
        fill();
        work();
        let kept = resident().saturating_sub(before);
        assert!(kept < 20, "{kept}");
    }
}

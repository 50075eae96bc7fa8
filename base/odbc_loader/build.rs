//! Puts an empty library in the linker's way.
//!
//! `odbc-sys` asks the linker for `libodbc`. An executable linked with the real one does not even
//! start on a machine without it; with this empty archive the functions are those of `src/lib.rs`,
//! which look for the real library when the first of them is called.

use std::{env, fs, path::Path};

fn main() -> std::io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    let Some(folder) = env::var_os("OUT_DIR") else {
        return Ok(());
    };
    fs::write(Path::new(&folder).join("libodbc.a"), b"!<arch>\n")?;
    println!(
        "cargo:rustc-link-search=native={}",
        Path::new(&folder).display()
    );
    Ok(())
}

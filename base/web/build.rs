//! Makes sure that the folder of bundled styles and scripts exists, so that the crate compiles
//! before `npm run build` has filled it; pages then come without styles.

use std::{env, fs, path::Path};

fn main() {
    let Some(here) = env::var_os("CARGO_MANIFEST_DIR") else {
        return;
    };
    let bundles = Path::new(&here).join("../../web/dist");
    if let Err(error) = fs::create_dir_all(&bundles) {
        println!("cargo::warning=cannot make {}: {error}", bundles.display());
    }
    if !bundles.join("manifest.json").exists() {
        println!("cargo::warning=web/dist is empty: run `make web` for styles and scripts");
    }
    // A development build reads the bundles from disk; only the others have them inside.
    if env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        println!("cargo::rerun-if-changed=../../web/dist");
    }
    println!("cargo::rerun-if-changed=build.rs");
}

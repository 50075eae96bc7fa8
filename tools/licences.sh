#!/usr/bin/env bash
# Fails when a crate that we link has a licence outside the permissive list. Works offline, from
# Cargo's own metadata; crates of optional features count, too.
set -eu
cargo metadata --format-version 1 --locked --all-features --filter-platform x86_64-unknown-linux-gnu |
    python3 "$(dirname "$0")/licences.py"

#!/usr/bin/env bash
# Fails when a crate that we link has a licence outside the permissive list. Works offline, from
# Cargo's own metadata.
set -eu
cargo metadata --format-version 1 --locked --filter-platform x86_64-unknown-linux-gnu |
    python3 "$(dirname "$0")/licences.py"

#!/usr/bin/env bash
# Measures the release build against peers; prints one table and appends JSON lines to
# target/bench/results.jsonl. Needs TONGBAN, the path of the executable. Arguments name single
# benchmarks, as `bench/run.sh start import`.
set -eu
cd "$(dirname "$0")/.."
tools/need.sh hey:hey 'file:/usr/lib/postgresql/*/bin/initdb:postgresql' \
    'file:/usr/lib/x86_64-linux-gnu/libpango-1.0.so.0:libpango-1.0-0' \
    'file:/usr/lib/x86_64-linux-gnu/libpangoft2-1.0.so.0:libpangoft2-1.0-0'
venv=target/bench/venv
if ! cmp -s bench/requirements.txt $venv/requirements.txt; then
    printf '\n==> peers: WeasyPrint, pyHanko, SpiffWorkflow, DuckDB, dlt, Splink\n'
    python3 -m venv $venv
    $venv/bin/pip install --quiet -r bench/requirements.txt
    cp bench/requirements.txt $venv/requirements.txt
fi
exec $venv/bin/python bench/run.py "$@"

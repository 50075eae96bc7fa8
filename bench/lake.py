"""The lake: 20 million rows joined with a million households, beside DuckDB on the same files."""

import json
import os
import pathlib
import re
import subprocess
import tempfile
import time

import duckdb

from result import Results

REPEATS = 5


def join(results: Results, rows: int = 20_000_000, households: int = 1_000_000) -> None:
    """Rows taken under rules, then a join and group under policy; DuckDB reads the Parquet files."""
    profile = os.environ.get("PROFILE", "release")
    with tempfile.TemporaryDirectory(prefix="tongban-bench-") as folder:
        command = ["cargo", "run", "--quiet", "--profile", profile, "-p", "lake", "--example", "join", "--"]
        run = subprocess.run([*command, folder, str(rows), str(households)], check=True, capture_output=True, text=True)
        ours = json.loads(next(line for line in run.stderr.splitlines() if line.startswith("{")))
        peer, peer_peak, groups = duck(pathlib.Path(folder) / "lake/tables", ours["sql"])
        assert groups == ours["groups"], (groups, ours)
    note = f"{rows} rows, {households} households, {groups} groups, median of {REPEATS}; rows taken at {ours['take_rows_per_s']:.0f}/s in {ours['take_peak_mb']} MB"
    results.add("join_s", ours["join_s"], "s", "duckdb", peer, note)
    note = "the most that the process held while it answered: ours with the server's parts, DuckDB's with Python's"
    results.add("join_peak_mb", ours["join_peak_mb"], "MB", "duckdb", peer_peak, note)


def duck(tables: pathlib.Path, sql: str) -> tuple[float, int, int]:
    """Seconds, megabytes and groups of the same question."""
    status = pathlib.Path("/proc/self/status")
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # The peak begins anew.
    with duckdb.connect() as connection:
        connection.execute(f"SET threads = {os.cpu_count()}")
        for name in ("payments", "households"):
            connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{tables / name}/*.parquet')")
        times = []
        for _ in range(REPEATS):
            begin = time.monotonic()
            groups = len(connection.execute(sql).fetchall())
            times.append(time.monotonic() - begin)
    peak = int(re.search(r"VmHWM:\s+(\d+)", status.read_text()).group(1)) // 1024
    return sorted(times)[REPEATS // 2], peak, groups

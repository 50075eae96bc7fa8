"""All benchmarks, in order. Each function measures one thing and adds its results."""

import contextlib
import csv
import json
import os
import pathlib
import re
import resource
import subprocess
import sys
import tempfile
import time

import catalog
import certificates
import durable
import exchange
import gateway
import lake
import linkage
import processes as peer_processes
import registries
from result import Results
from server import TONGBAN, demo, environment, token

REPEATS = 3
"""Profile of the examples that are run beside the executable."""
PROFILE = os.environ.get("PROFILE", "release")


def start(results: Results) -> None:
    """From the command to the first answer, on a data folder that is already filled."""
    with tempfile.TemporaryDirectory(prefix="tongban-bench-") as folder:
        data = pathlib.Path(folder)
        with demo(data) as server:
            first = server.started_ms
        times = []
        for _ in range(REPEATS):
            with demo(data) as server:
                times.append(server.started_ms)
        note = f"median of {REPEATS}; the very first start, which fills the city, {first:.0f} ms"
        results.add("start_ms", sorted(times)[REPEATS // 2], "ms", note=note)


def hey(url: str, seconds: int, rate: int | None, headers: list[str]) -> dict:
    """Runs `hey` with four workers; returns requests a second, p99 in ms and failures."""
    workers = 4
    command = ["hey", "-z", f"{seconds}s", "-c", str(workers)]
    if rate:
        command += ["-q", str(rate / workers)]
    for header in headers:
        command += ["-H", header]
    text = subprocess.run([*command, url], check=True, capture_output=True, text=True).stdout
    p99 = float(re.search(r"99% in ([\d.]+) secs", text).group(1)) * 1000
    rps = float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1))
    failed = sum(int(n) for code, n in re.findall(r"\[(\d+)\]\s+(\d+) responses", text) if code != "200")
    return {"rps": rps, "p99": p99, "failed": failed}


def pages(results: Results, seconds: int = 20, soak: int = 600) -> None:
    """A guide page and a case page at 200 requests a second, then as fast as they go."""
    with tempfile.TemporaryDirectory(prefix="tongban-bench-") as folder:
        data = pathlib.Path(folder)
        with demo(data):
            pass  # Typesetting a city's certificates is not what a server that only serves remembers.
        with demo(data) as server:
            guide = re.search(rb'href="(/guide/[^"?]+)"', server.get("/guide")).group(1).decode()
            headers = [f"Authorization: Bearer {token(data, 'clerk')}"]
            case = first_case(server, headers[0])
            for name, path, with_headers in (("guide", guide, []), ("case", case, headers)):
                steady = hey(server.address + path, seconds, 200, with_headers)
                full = hey(server.address + path, seconds, None, with_headers)
                note = f"at 200/s, {steady['failed']} failed; saturates at {full['rps']:.0f}/s"
                results.add(f"{name}_p99_ms", steady["p99"], "ms", note=note)
            hey(server.address + guide, soak, 100, [])
            results.add("rss_mb", server.resident_mb(), "MB", note=f"after {soak} s at 100 requests/s and the pages above")


def first_case(server, authorization: str) -> str:
    """The path of some case page that the clerk may see."""
    import urllib.request

    header, value = authorization.split(": ", 1)
    request = urllib.request.Request(server.address + "/work", headers={header: value})
    with urllib.request.urlopen(request) as answer:
        return re.search(rb'href="(/work/cases/[^"?#]+)"', answer.read()).group(1).decode()


def certificate(results: Results, made: int = 300) -> None:
    """Signed certificates, rendered one after another, beside WeasyPrint with pyHanko."""
    command = ["cargo", "run", "--quiet", "--profile", PROFILE, "-p", "credential", "--example", "rate", "--", str(made), "1"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    ours = float(re.search(r"([\d.]+) a second", said).group(1))
    peer = certificates.per_second()
    results.add("certificates_per_s", ours, "certificates/s", "weasyprint", round(peer, 2))


def processes(results: Results) -> None:
    """The process core, one thread, beside SpiffWorkflow; state written and read after every task
    in the figure that is compared."""
    command = ["cargo", "run", "--quiet", "--release", "-p", "workflow", "--example", "core"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    ours = {line["name"]: line["value"] for line in lines}
    plain, saved = peer_processes.per_second(False), peer_processes.per_second(True)
    note = "three-branch parallel approval, one thread, state in memory"
    results.add("core_instances_per_s", ours["core_instances_per_s"], "instances/s", "spiffworkflow", round(plain, 1), note)
    note = "the same, state to JSON and back before every task"
    results.add("core_saved_instances_per_s", ours["core_saved_instances_per_s"], "instances/s", "spiffworkflow", round(saved, 1), note)
    results.add("state_bytes", ours["state_bytes"], "bytes", note="three open tasks, as JSON")
    results.add("deploy_2000_ms", ours["deploy_2000_ms"], "ms", note="read, check and compile 2,000 elements")
    note = f"10,000 parallel instances one by one; 1,000 take {ours['multi_1000_ms']:.0f} ms"
    results.add("multi_10000_ms", ours["multi_10000_ms"], "ms", note=note)


def matters(results: Results, rows: int = 1_000_000) -> None:
    """A list of matters at list level, from CSV."""
    with tempfile.TemporaryDirectory(prefix="tongban-bench-") as folder:
        data = pathlib.Path(folder)
        source = data / "matters.csv"
        write_matters(source, rows)
        begin = time.monotonic()
        subprocess.run(
            [TONGBAN, "import", "matters", str(source), "--json"],
            check=True, stdout=subprocess.DEVNULL, env=environment(data),
        )
        seconds = time.monotonic() - begin
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        results.add("import_rows_per_s", rows / seconds, "rows/s", note=f"{rows} rows in {seconds:.1f} s")
        results.add("import_peak_mb", peak, "MB", note="largest child of this run so far")


def cases(results: Results, number: int = 1000, callers: int = 32) -> None:
    """Whole restaurants, each act durable, with rules, events, supervision and jobs at work."""
    with tempfile.TemporaryDirectory(prefix="tongban-bench-") as folder:
        whole_cases(results, "sqlite", folder, [], number, callers)
    with tempfile.TemporaryDirectory(prefix="tongban-bench-") as folder, durable_postgres() as url:
        whole_cases(results, "postgres", folder, ["--database", url], number, callers)


def whole_cases(results: Results, engine: str, folder: str, database: list[str], number: int, callers: int) -> None:
    command = [TONGBAN, "bench", "cases", "--data", folder, "--cases", str(number), "--callers", str(callers)]
    said = json.loads(subprocess.run([*command, *database], check=True, capture_output=True, text=True).stdout)
    note = (
        f"{number} cases, {callers} side by side; completing one of {said['tasks']} tasks: "
        f"p50 {said['task_p50_ms']:.1f} ms, p99 {said['task_p99_ms']:.1f} ms; {said['events']} events, "
        f"all supervised {said['events_behind_s']:.1f} s later; {said['jobs_due']} jobs still due then"
    )
    results.add(f"restaurant_cases_per_s.{engine}", said["cases_per_s"], "cases/s", note=note)


@contextlib.contextmanager
def durable_postgres():
    """A PostgreSQL of our own that waits for the disk, as one in service does."""
    variables = {"TONGBAN_TEST_POSTGRES_PORT": "55434", "TONGBAN_TEST_POSTGRES_FSYNC": "on", "TONGBAN_TEST_POSTGRES": ""}
    control = lambda act: subprocess.run(
        ["tools/postgres.sh", act], check=True, stdout=subprocess.PIPE, text=True, env=os.environ | variables
    ).stdout.strip()
    url = control("start")
    try:
        yield url
    finally:
        control("stop")


def write_matters(path: pathlib.Path, rows: int) -> None:
    columns = ["department", "main_item", "name", "area_code", "item_code", "task_type", "dept_code", "link"]
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(columns)
        for i in range(rows):
            department = f"合成部门{i % 40}"
            writer.writerow([department, f"合成主项{i // 10}", f"合成事项{i}", "321000", f"S{i:012}", "行政许可", f"D{i % 40:03}", ""])


ALL = {"matters": matters, "start": start, "cases": cases, "certificates": certificate, "processes": processes,
       "durable": durable.durable, "many": durable.many, "timers": durable.timers, "pages": pages, "join": lake.join,
       "exchange": exchange.rows_per_s, "linkage": linkage.link, "lookups": registries.lookups, "gateway": gateway.calls,
       "catalog": catalog.imported}


def main() -> None:
    results = Results()
    for name in sys.argv[1:] or ALL:
        print(f"\n==> {name}", flush=True)
        ALL[name](results)
    print()
    results.table()


main()

"""Rows from PostgreSQL to PostgreSQL by way of the hub and its lake, beside `COPY | COPY` and dlt.

`EXCHANGE_ROWS` says how many; with `EXCHANGE_ODBC=1` the source is read by its ODBC driver.
"""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

from result import Results

TONGBAN = os.environ.get("TONGBAN", "target/release/tongban")
COLUMNS = 20
ORG = "11321000990000033R"
TITLE = "测量用表（合成）"


def postgres() -> str:
    """The URL of a throw-away server with full durability."""
    environment = {**os.environ, "TONGBAN_TEST_POSTGRES_FSYNC": "on"}
    return subprocess.run(["tools/postgres.sh", "start"], check=True, capture_output=True, text=True, env=environment).stdout.strip()


def sql(url: str, text: str) -> str:
    command = ["psql", "-qAt", "-v", "ON_ERROR_STOP=1", url, "-c", text]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def fill(url: str, rows: int) -> None:
    """A table of numbers, texts, dates, sums."""
    columns = ["id BIGINT PRIMARY KEY"]
    values = ["i"]
    for place in range(1, COLUMNS):
        kind, value = [
            ("VARCHAR(40)", f"md5((i + {place})::text)"),
            ("BIGINT", f"(i * {place})"),
            ("DATE", f"DATE '1990-01-01' + (i % 9999)::int"),
            ("DECIMAL(14,2)", f"(i * {place} % 999999) / 100.0"),
        ][place % 4]
        columns.append(f"c{place} {kind}")
        values.append(value)
    sql(url, f"DROP TABLE IF EXISTS bench_from; CREATE TABLE bench_from ({', '.join(columns)})")
    sql(url, f"INSERT INTO bench_from SELECT {', '.join(values)} FROM generate_series(1, {rows}) AS s(i)")
    sql(url, "VACUUM ANALYZE bench_from")


def empty(url: str) -> None:
    sql(url, "DROP TABLE IF EXISTS bench_to; DROP TABLE IF EXISTS tongban_applied")
    sql(url, "CREATE TABLE bench_to (LIKE bench_from INCLUDING ALL)")


def copy_pipe(url: str) -> float:
    empty(url)
    begun = time.monotonic()
    pipe = f"psql -q '{url}' -c 'COPY bench_from TO STDOUT' | psql -q '{url}' -c 'COPY bench_to FROM STDIN'"
    subprocess.run(pipe, shell=True, check=True)
    return time.monotonic() - begun


def dlt_load(url: str) -> float:
    import dlt
    from dlt.sources.sql_database import sql_table

    with tempfile.TemporaryDirectory() as folder:
        # It does not connect without a password, which this server does not look at.
        credentials = url.replace("postgres://", "postgresql://").replace("@", ":none@", 1)
        table = sql_table(credentials=credentials, table="bench_from", backend="pyarrow", chunk_size=50_000)
        destination = dlt.destinations.postgres(credentials)
        pipeline = dlt.pipeline("bench", destination=destination, dataset_name="bench_dlt", pipelines_dir=folder)
        begun = time.monotonic()
        pipeline.run(table, write_disposition="replace")
        took = time.monotonic() - begun
    sql(url, "DROP SCHEMA IF EXISTS bench_dlt CASCADE; DROP SCHEMA IF EXISTS bench_dlt_staging CASCADE")
    return took


def by_odbc(url: str) -> str:
    """The connection string of a URL."""
    address, database = url.removeprefix("postgres://").split("/")
    user, host = address.split("@")
    host, port = host.split(":")
    return (
        f"Driver={{PostgreSQL ANSI}};Server={host};Port={port};Database={database};UID={user};"
        "UseDeclareFetch=1;Fetch=10000;ConnSettings=SET client_encoding TO 'UTF8'"
    )


KINDS = [("C", "40"), ("I", ""), ("D", ""), ("Y", "14,2")]
"""The catalog's types of the columns, and their lengths."""


def entry(folder: pathlib.Path) -> pathlib.Path:
    """A pack that describes the table in the catalog, so that its rows are checked and kept in the lake."""
    pack = folder / "bench-pack"
    (pack / "resources").mkdir(parents=True)
    (pack / "pack.toml").write_text(
        'id = "bench"\nversion = "1.0.0"\ntitle = { zh = "测量（合成）", en = "Measurement (synthetic)" }\nneeds = ["demo-data"]\n'
    )
    items = [("id", "I", "", "is_key = true\n")]
    items += [(f"c{place}", *KINDS[place % 4], "") for place in range(1, COLUMNS)]
    # The kinds of `fill` begin with the text at places that 4 divides.
    text = "\n".join(
        f'[[resource.items]]\nname = "{name}"\nfield = "{name}"\ntype = "{kind}"\n'
        + (f'length = "{length}"\n' if length else "") + key
        for name, kind, length, key in items
    )
    (pack / "resources/bench.toml").write_text(f"""publish = true
[resource]
format_class = "3"
format_type = "PostgreSQL"
share_mode = "1"
share_mode_type = "1"
cycle = "2"
class = "102001"
name = "{TITLE}"
provider = "{ORG}"
abstract = "测量用的表，全部为合成数据，只用于测量，测完即弃。"
share_type = "1"
share_condition = "作为行政依据"
is_open = true
open_condition = "无"

{text}""")
    return pack


def settings(url: str, more: str = "", every: int = 0) -> tuple[str, str]:
    connection = by_odbc(url) if os.environ.get("EXCHANGE_ODBC") else url
    columns = ['{ name = "id", type = "integer", required = true }']
    for place in range(1, COLUMNS):
        kind = ['"text"', '"integer"', '"date"', "{ decimal = { digits = 14, scale = 2 } }"][place % 4]
        columns.append(f'{{ name = "c{place}", type = {kind}, length = {40 if place % 4 == 0 else 0} }}')
    limits = "[limits]\npoll_seconds = 1\n" if every else ""
    provider = f"""
{limits}
[[publication]]
code = "bench"
title = "bench"
key = ["id"]
every_seconds = {every}
source = {{ kind = "database", connection = "{connection}", table = "bench_from"{more} }}
columns = [{", ".join(columns)}]
"""
    subscriber = f"""
{limits}
[[target]]
publication = "bench"
connection = "{url}"
table = "bench_to"
"""
    return provider, subscriber


class Hub:
    """A demo city with an exchange, and a steward's token."""

    def __init__(self, data: pathlib.Path) -> None:
        command = [TONGBAN, "demo", "--data", str(data), "--listen", "127.0.0.1:0", "--json"]
        log = (data / "log").open("w")
        environment = {**os.environ, **self.place(data)}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
        self.address = json.loads(self.process.stdout.readline())["address"]
        token = subprocess.run([TONGBAN, "token", "create", "--user", "steward"], check=True, capture_output=True, text=True, env=environment)
        self.token = token.stdout.strip()

    @staticmethod
    def place(data: pathlib.Path) -> dict:
        # Who measures subscribes without asking the department first.
        return {"TONGBAN_DATABASE__URL": f"sqlite://{data}/tongban.db", "TONGBAN_DATA__DIR": str(data), "TONGBAN_EXCHANGE__CATALOG_BOUND": "false"}

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()

    def call(self, path: str, body=None):
        return self.ask(f"exchange/{path}", body)

    def ask(self, path: str, body=None):
        headers = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.address}/api/{path}", data=data, headers=headers)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def enrol(self, node: str, folder: pathlib.Path, text: str) -> None:
        made = self.call("nodes", {"node": node, "title": node, "org": ORG})
        command = [TONGBAN, "node", "enrol", "--hub", made["hub"], "--code", made["code"], "--data", str(folder)]
        subprocess.run(command, check=True, capture_output=True)
        (folder / "node.toml").write_text(text)


def round_of(folder: pathlib.Path) -> tuple[float, float]:
    """Seconds and peak MB of one round of a node."""
    begun = time.monotonic()
    process = subprocess.Popen([TONGBAN, "node", "run", "--once", "--data", str(folder)], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"a node failed: {status}")
    return time.monotonic() - begun, usage.ru_maxrss / 1024


def peak(pid: int) -> float:
    """Peak MB of a running process."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


@contextlib.contextmanager
def pair(url: str, more: str = "", every: int = 0, is_kept: bool = False):
    """A hub that serves a demo city, and folders of two enrolled nodes, the subscription made.

    If the rows are kept, the catalog describes them, and the lake checks and keeps them.
    """
    data = pathlib.Path(tempfile.mkdtemp(prefix="tongban-bench-"))
    with contextlib.ExitStack() as after:
        after.callback(shutil.rmtree, data, ignore_errors=True)
        # The first start fills the city, and remembers how in its memory.
        Hub(data).stop()
        if is_kept:
            command = [TONGBAN, "pack", "install", str(entry(data))]
            subprocess.run(command, check=True, capture_output=True, env={**os.environ, **Hub.place(data)})
        hub = Hub(data)
        after.callback(hub.stop)
        provider, subscriber = settings(url, more, every)
        if is_kept:
            found = hub.ask("catalog/resources?" + urllib.parse.urlencode({"q": TITLE}))["items"]
            provider = provider.replace('code = "bench"', f'code = "bench"\nresource = "{found[0]["code"]}"')
        hub.enrol("bench-from", data / "from", provider)
        hub.enrol("bench-to", data / "to", subscriber)
        round_of(data / "from")
        hub.call("publications/bench/steps", {"step": "open"})
        hub.call("subscriptions", {"publication": "bench", "node": "bench-to", "purpose": "bench", "basis": "bench"})
        yield hub, data / "from", data / "to"


def same(url: str) -> None:
    check = "SELECT count(*), coalesce(sum(hashtext(t::text)::numeric), 0) FROM {} t"
    if sql(url, check.format("bench_from")) != sql(url, check.format("bench_to")):
        sys.exit("source and target differ")


def exchange(url: str, rows: int, results: Results) -> tuple[float, str]:
    empty(url)
    with pair(url, is_kept=True) as (hub, source, target):
        begun = time.monotonic()
        sent, sent_mb = round_of(source)
        applied, applied_mb = round_of(target)
        wait_for_lake(hub, rows)
        took = time.monotonic() - begun
        hub_mb = peak(hub.process.pid)
    same(url)
    note = f"read and send {sent:.1f} s, pull and apply {applied:.1f} s, in the lake after {took:.1f} s; {rows} rows x {COLUMNS} columns"
    results.add("node_peak_mb", max(sent_mb, applied_mb), "MB", note=f"sender {sent_mb:.0f}, receiver {applied_mb:.0f}")
    results.add("hub_peak_mb", hub_mb, "MB", note="with the demo city in it")
    return took, note


def wait_for_lake(hub: Hub, rows: int) -> None:
    """Until the lake has checked and kept all rows."""
    question = {"sql": "SELECT count(*) AS n FROM ods_bench", "purpose": "bench"}
    until = time.monotonic() + 600
    while hub.ask("lake/query", question)["rows"][0][0] != rows:
        if time.monotonic() > until:
            sys.exit("the rows are not in the lake")
        time.sleep(0.5)


CHANGED = 10_000
"""No row of the filled table has so much in its rising column."""
RISEN = 10**15


def increment(url: str, rows: int, more: str) -> float:
    """Median seconds from the commit of changed rows at the source until they are at the target."""
    empty(url)
    times = []
    with pair(url, more, every=1) as (_, source, target):
        round_of(source)
        round_of(target)
        command = [TONGBAN, "node", "run", "--data"]
        nodes = [subprocess.Popen([*command, str(folder)], stderr=subprocess.DEVNULL) for folder in (source, target)]
        try:
            for turn in range(3):
                time.sleep(4)
                mark = RISEN * (turn + 1)
                step = max(1, rows // CHANGED)
                sql(url, f"UPDATE bench_from SET c4 = 'changed {turn}', c17 = {mark} + id WHERE id % {step} = 0")
                changed = sql(url, f"SELECT count(*) FROM bench_from WHERE c17 >= {mark}")
                begun = time.monotonic()
                while sql(url, f"SELECT count(*) FROM bench_to WHERE c17 >= {mark}") != changed:
                    if time.monotonic() - begun > 120:
                        sys.exit("changed rows did not arrive")
                    time.sleep(0.05)
                times.append(time.monotonic() - begun)
        finally:
            for node in nodes:
                node.send_signal(signal.SIGTERM)
                node.wait()
    same(url)
    return sorted(times)[1]


def increments(url: str, rows: int, results: Results) -> None:
    sql(url, "CREATE INDEX ON bench_from (c17)")
    note = f"{CHANGED} changed rows of {rows}; both nodes look each second; median of 3"
    taken = increment(url, rows, ', watermark = "c17", overlap = 0')
    results.add("increment_s.watermark", taken, "s", note=note)
    taken = increment(url, rows, ', replication = { slot = "bench", publication = "bench" }')
    results.add("increment_s.replication", taken, "s", note=note)
    sql(url, "SELECT pg_drop_replication_slot('bench'); DROP PUBLICATION bench")


def rows_per_s(results: Results, rows: int = int(os.environ.get("EXCHANGE_ROWS", "10000000"))) -> None:
    """A table of 20 columns: signed, checked by rules, kept in the lake and applied at the other end."""
    url = postgres()
    fill(url, rows)
    took, note = exchange(url, rows, results)
    speed = rows / took
    results.add("exchange_rows_per_s", speed, "rows/s", "copy_pipe", rows / copy_pipe(url), note)
    results.add("exchange_rows_per_s", speed, "rows/s", "dlt", rows / dlt_load(url), note)
    increments(url, rows, results)
    sql(url, "DROP TABLE bench_from; DROP TABLE bench_to; DROP TABLE IF EXISTS tongban_applied")

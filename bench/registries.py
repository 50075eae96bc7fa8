"""Looks into a registry of millions of people, through the product's doors, on both databases."""

import http.client
import json
import os
import pathlib
import random
import sqlite3
import subprocess
import tempfile
import time
import urllib.parse

from result import Results
from server import TONGBAN

LOOKS = 3_000
KEYS = "SELECT record_key FROM registry_population WHERE record_key LIKE '32%' ORDER BY record_key LIMIT 200000"
NAMES = "SELECT xm, record_pinyin FROM registry_population WHERE record_pinyin IS NOT NULL LIMIT 2000"


class Registry:
    """A demo city with so many people in its population base."""

    def __init__(self, data: pathlib.Path, people: int, database: str | None) -> None:
        self.url = database or f"sqlite://{data}/tongban.db"
        environment = os.environ | {"TONGBAN_DATA__DIR": str(data), "TONGBAN_DATABASE__URL": self.url}
        command = [TONGBAN, "demo", "--data", str(data), "--listen", "127.0.0.1:0", "--people", str(people), "--json"]
        if database:
            command += ["--database", database]
        begun = time.monotonic()
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)
        address = json.loads(self.process.stdout.readline())["address"]
        self.load_seconds = time.monotonic() - begun
        token = [TONGBAN, "token", "create", "--user", "food"]
        self.token = subprocess.run(token, check=True, capture_output=True, text=True, env=environment).stdout.strip()
        self.connection = http.client.HTTPConnection(urllib.parse.urlsplit(address).netloc)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=120)

    def rows(self, query: str) -> list[tuple]:
        if self.url.startswith("sqlite"):
            path = self.url.removeprefix("sqlite://")
            return sqlite3.connect(f"file:{path}?mode=ro", uri=True).execute(query).fetchall()
        command = ["psql", "-qAt", self.url, "-c", query]
        lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
        return [tuple(line.split("|")) for line in lines]

    def ask(self, path: str, **query: str) -> tuple[float, dict]:
        """Milliseconds until the answer is there, and the answer."""
        target = f"/api/registry/population/{path}?{urllib.parse.urlencode(query)}"
        begun = time.perf_counter()
        self.connection.request("GET", target, headers={"Authorization": f"Bearer {self.token}"})
        answer = self.connection.getresponse()
        body = answer.read()
        took = (time.perf_counter() - begun) * 1000
        if answer.status != 200:
            raise SystemExit(f"{target}: {answer.status} {body[:300]!r}")
        return took, json.loads(body)


def p99(times: list[float]) -> float:
    return sorted(times)[len(times) * 99 // 100]


def looked_up(registry: Registry, engine: str, people: int, results: Results) -> None:
    dice = random.Random(1)
    known = registry.rows(KEYS)
    keys = [row[0] for row in dice.sample(known, min(LOOKS, len(known)))]
    for key in keys[:200]:
        registry.ask("lookup", key=key, purpose="核验")
    points = [registry.ask("lookup", key=key, purpose="核验")[0] for key in keys]
    names, pinyins = [], []
    for name, pinyin in registry.rows(NAMES):
        names.append(registry.ask("records", q=name[:2])[0])
        pinyins.append(registry.ask("records", q=pinyin[:6])[0])
    note = f"{people} people, one caller, {len(points)} looks with their trace; loaded at {people / registry.load_seconds:.0f} people/s with firms and insurance"
    results.add(f"lookup_p99_ms.{engine}", p99(points), "ms", note=note)
    results.add(f"search_p99_ms.{engine}", max(p99(names), p99(pinyins)), "ms", note=f"names {p99(names):.1f}, pinyin {p99(pinyins):.1f}, {len(names)} of each")


def lookups(results: Results, people: int = int(os.environ.get("LOOKUP_PEOPLE", "5000000"))) -> None:
    server = subprocess.run(["tools/postgres.sh", "start"], check=True, capture_output=True, text=True, env=os.environ | {"TONGBAN_TEST_POSTGRES_FSYNC": "on"})
    subprocess.run(["psql", "-q", server.stdout.strip(), "-c", "CREATE DATABASE bench_lookup"], check=True)
    for engine, database in [("sqlite", None), ("postgres", server.stdout.strip().rsplit("/", 1)[0] + "/bench_lookup")]:
        with tempfile.TemporaryDirectory(prefix="tongban-bench-") as folder:
            registry = Registry(pathlib.Path(folder), people, database)
            try:
                looked_up(registry, engine, people, results)
            finally:
                registry.stop()
    subprocess.run(["psql", "-q", server.stdout.strip(), "-c", "DROP DATABASE bench_lookup"], check=True)

"""Signed calls through hub and node to a department's API, beside calls to the API itself."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

from exchange import ORG, TONGBAN, Hub, peak
from result import Results

SECONDS = int(os.environ.get("GATEWAY_SECONDS", "20"))
LARGE_CALLS = int(os.environ.get("GATEWAY_LARGE_CALLS", "100"))
CALLERS = int(os.environ.get("GATEWAY_CALLERS", "64"))
SMALL, LARGE = 1024, 10 << 20
SUITES = {"sm2": "guomi", "p256": "international"}
DOCUMENT = {
    "openapi": "3.0.3",
    "info": {"title": "bench", "version": "1"},
    "paths": {"/bytes/{count}": {"get": {}, "post": {}}},
}


@contextlib.contextmanager
def department():
    """The address of a real HTTP server."""
    profile = os.environ.get("PROFILE", "release")
    command = ["cargo", "run", "--quiet", "--profile", profile, "-p", "gateway", "--example", "department"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        yield next(line.strip() for line in process.stderr if line.startswith("http://"))
    finally:
        process.terminate()
        process.wait()


def hey(url: str, callers: int, headers: list[str], body: pathlib.Path | None = None, number: int | None = None) -> dict:
    """Calls a second, p50 and p99 in ms, and how many failed."""
    # Packing bodies would be measured otherwise.
    command = ["hey", "-disable-compression", "-c", str(callers)]
    command += ["-n", str(number)] if number else ["-z", f"{SECONDS}s"]
    for header in headers:
        command += ["-H", header]
    if body:
        command += ["-m", "POST", "-T", "application/octet-stream", "-D", str(body)]
    text = subprocess.run([*command, url], check=True, capture_output=True, text=True).stdout
    slowest = re.search(r"Slowest:\s+([\d.]+)", text)
    # Of a few calls hey names no 99th of a hundred; the slowest is as bad or worse.
    within = lambda percent: float((re.search(rf"{percent}% in ([\d.]+) secs", text) or slowest).group(1)) * 1000
    codes = re.findall(r"\[(\d+)\]\s+(\d+) responses", text)
    failed = sum(int(count) for code, count in codes if code != "200")
    errors = re.search(r"Error distribution:\n((?:\s+\[\d+\].*\n?)+)", text)
    failed += sum(int(count) for count in re.findall(r"\[(\d+)\]", errors.group(1))) if errors else 0
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1))
    return {"rate": rate, "p50": within(50), "p99": within(99), "failed": failed}


def call(hub: Hub, path: str, body=None):
    headers = {"authorization": f"Bearer {hub.token}", "content-type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(hub.address + path, data=data, headers=headers)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


@contextlib.contextmanager
def gateway(suite: str, api: str):
    """A hub and a node with a line to it, ready to be called."""
    data = pathlib.Path(tempfile.mkdtemp(prefix="tongban-bench-"))
    os.environ["TONGBAN_GATEWAY__SUITE"] = suite
    with contextlib.ExitStack() as after:
        after.callback(os.environ.pop, "TONGBAN_GATEWAY__SUITE")
        after.callback(shutil.rmtree, data, ignore_errors=True)
        hub = Hub(data)
        after.callback(hub.process.wait)
        after.callback(hub.process.send_signal, signal.SIGTERM)
        hub.enrol("bench-api", data / "node", f'[[api]]\nresource = "bench"\nurl = "{api}"\n')
        log = (data / "node.log").open("w")
        node = subprocess.Popen([TONGBAN, "node", "run", "--data", str(data / "node")], stderr=log)
        after.callback(node.wait)
        after.callback(node.terminate)
        registering = {"code": "bench", "title": "bench", "org": ORG, "node": "bench-api", "document": DOCUMENT}
        call(hub, "/api/sharing/resources", registering)
        org = call(hub, "/api/identity/me")["posts"][0]["org"]
        call(hub, "/api/sharing/grants", {"resource": "bench", "org": org, "purpose": "bench", "basis": "bench"})
        until_open(hub)
        yield hub, node, data


def until_open(hub: Hub) -> None:
    for _ in range(100):
        with contextlib.suppress(urllib.error.HTTPError):
            request = urllib.request.Request(f"{hub.address}/api/gateway/bench/bytes/1", headers={"authorization": f"Bearer {hub.token}"})
            urllib.request.urlopen(request).read()
            return
        time.sleep(0.2)
    raise SystemExit("the node opens no line")


def measure(results: Results, name: str, suite: str, api: str) -> None:
    with gateway(suite, api) as (hub, node, data):
        headers = [f"Authorization: Bearer {hub.token}"]
        through = f"{hub.address}/api/gateway/bench/bytes"
        file = data / "large"
        file.write_bytes(os.urandom(LARGE))
        direct = hey(f"{api}/bytes/{SMALL}", CALLERS, [])
        small = hey(f"{through}/{SMALL}", CALLERS, headers)
        alone = [hey(f"{api}/bytes/{SMALL}", 1, [], number=500), hey(f"{through}/{SMALL}", 1, headers, number=500)]
        down = [hey(f"{api}/bytes/{LARGE}", 2, [], number=LARGE_CALLS), hey(f"{through}/{LARGE}", 2, headers, number=LARGE_CALLS)]
        up = [hey(f"{api}/bytes/{LARGE}", 2, [], file, LARGE_CALLS), hey(f"{through}/{LARGE}", 2, headers, file, LARGE_CALLS)]
        memory = f"hub {peak(hub.process.pid):.0f} MB with the demo city in it, node {peak(node.pid):.0f} MB at the most"
    added = lambda pair, percent: pair[1][percent] - pair[0][percent]
    note = (
        f"{SMALL} bytes, {CALLERS} callers: p50 {small['p50']:.1f} ms, p99 {small['p99']:.1f} ms, {small['failed']} failed; "
        f"load, API, node and hub on one machine; every call signed thrice and durably kept; {memory}"
    )
    results.add(f"gateway_calls_per_s.{name}", small["rate"], "calls/s", "direct", direct["rate"], note)
    for what, pair in (("1kb", alone), ("10mb_down", down), ("10mb_up", up)):
        failed = pair[0]["failed"] + pair[1]["failed"]
        note = f"p99 {added(pair, 'p99'):.1f} ms more than {pair[0]['p99']:.1f}; {failed} failed"
        results.add(f"gateway_added_p50_ms.{what}.{name}", added(pair, "p50"), "ms", note=note)


def calls(results: Results) -> None:
    """SM2 and P-256, small bodies and large ones."""
    with department() as api:
        for name, suite in SUITES.items():
            measure(results, name, suite, api)

"""A demo server for a benchmark, started from the executable and stopped afterwards."""

import contextlib
import json
import os
import pathlib
import subprocess
import tempfile
import time
import urllib.request

TONGBAN = os.environ.get("TONGBAN", "target/release/tongban")


class Server:
    """A running `tongban demo`."""

    def __init__(self, process: subprocess.Popen, ready: dict, started_ms: float) -> None:
        self.process = process
        self.address = ready["address"]
        self.accounts = ready["accounts"]
        self.started_ms = started_ms

    def resident_mb(self) -> float:
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(l for l in status.splitlines() if l.startswith("VmRSS"))
        return int(line.split()[1]) / 1024

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(self.address + path) as answer:
            return answer.read()


def environment(data: pathlib.Path) -> dict:
    """The environment of a command that works on the demo's data."""
    return os.environ | {
        "TONGBAN_DATA__DIR": str(data),
        "TONGBAN_DATABASE__URL": f"sqlite://{data}/tongban.db",
    }


@contextlib.contextmanager
def demo(data: pathlib.Path | None = None):
    """Starts the demo on a free port and waits for its first answer."""
    with contextlib.ExitStack() as stack:
        if data is None:
            data = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tongban-bench-")))
        command = [TONGBAN, "demo", "--data", str(data), "--listen", "127.0.0.1:0", "--json"]
        begin = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            ready = json.loads(process.stdout.readline())
            with urllib.request.urlopen(ready["address"] + "/healthz") as answer:
                answer.read()
            yield Server(process, ready, (time.monotonic() - begin) * 1000)
        finally:
            process.terminate()
            process.wait(timeout=30)


def token(data: pathlib.Path, user: str) -> str:
    command = [TONGBAN, "token", "create", "--user", user]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment(data)).stdout.strip()

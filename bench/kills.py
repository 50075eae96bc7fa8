"""Hub, nodes and network killed at random while rows flow: in the end source and target are equal.

    TONGBAN=target/release/tongban python bench/kills.py --rows 5000000 --kills 100 --every 4

Everything is real: processes that get SIGKILL, a line that breaks, PostgreSQL with full durability.
After each kill some rows of the source are changed, added and deleted.
"""

import argparse
import json
import pathlib
import random
import socket
import subprocess
import sys
import threading
import time

import os

import exchange


class Line:
    """What lies between the nodes and the hub."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.is_cut = False
        self.open: set[socket.socket] = set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"https://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self) -> None:
        while True:
            near, _ = self.listener.accept()
            try:
                if self.is_cut:
                    raise OSError
                far = socket.create_connection(("127.0.0.1", self.port))
            except OSError:
                near.close()
                continue
            self.open |= {near, far}
            for ends in ((near, far), (far, near)):
                threading.Thread(target=self.pump, args=ends, daemon=True).start()

    def pump(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while some := source.recv(1 << 16):
                target.sendall(some)
        except OSError:
            pass
        for end in (source, target):
            self.open.discard(end)
            end.close()

    def cut(self, seconds: float) -> None:
        self.is_cut = True
        for end in list(self.open):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        time.sleep(seconds)
        self.is_cut = False


class Node:
    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.start()

    def start(self) -> None:
        log = (self.folder / "log").open("a")
        self.process = subprocess.Popen([exchange.TONGBAN, "node", "run", "--data", str(self.folder)], stdout=log, stderr=log)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def receipts(self) -> list[str]:
        command = [exchange.TONGBAN, "node", "status", "--json", "--data", str(self.folder)]
        told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        return [sent["receipt"] for sent in told["batches"]]


def is_same(url: str) -> bool:
    check = "SELECT count(*), coalesce(sum(hashtext(t::text)::numeric), 0) FROM {} t"
    return exchange.sql(url, check.format("bench_from")) == exchange.sql(url, check.format("bench_to"))


def change(url: str, turn: int, rows: int) -> None:
    exchange.sql(url, f"UPDATE bench_from SET c4 = 'changed {turn}' WHERE id % 1009 = {turn % 1009}")
    exchange.sql(url, f"DELETE FROM bench_from WHERE id % 10007 = {turn}")
    exchange.sql(url, f"INSERT INTO bench_from (id, c4) VALUES ({rows} + {turn}, 'new')")


def run(arguments: argparse.Namespace) -> None:
    url = exchange.postgres()
    exchange.fill(url, arguments.rows)
    exchange.empty(url)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    os.environ["TONGBAN_EXCHANGE__LISTEN"] = f"127.0.0.1:{port}"
    line = Line(port)
    chance = random.Random(arguments.seed)
    replication = ', replication = { slot = "kills", publication = "kills" }'
    killed = {"hub": 0, "provider": 0, "subscriber": 0, "line": 0}
    with exchange.pair(url, replication, every=1) as (hub, source, target):
        for folder in (source, target):
            membership = json.loads((folder / "hub.json").read_text())
            (folder / "hub.json").write_text(json.dumps({**membership, "hub": line.address}))
        nodes = {"provider": Node(source), "subscriber": Node(target)}
        data = source.parent
        try:
            for turn in range(1, arguments.kills + 1):
                time.sleep(arguments.every * chance.uniform(0.2, 1.8))
                victim = chance.choice(list(killed))
                killed[victim] += 1
                if victim == "line":
                    line.cut(chance.uniform(0, 2))
                elif victim == "hub":
                    hub.process.kill()
                    hub.process.wait()
                    hub.process = exchange.Hub(data).process
                else:
                    nodes[victim].kill()
                    nodes[victim].start()
                change(url, turn, arguments.rows)
                print(f"{turn}: {victim}", file=sys.stderr, flush=True)
            begun = time.monotonic()
            while not is_same(url):
                if time.monotonic() - begun > arguments.patience:
                    sys.exit(f"source and target differ after {arguments.patience} s in peace; see {data}")
                time.sleep(1)
            peace = time.monotonic() - begun
        finally:
            for node in nodes.values():
                node.kill()
        receipts = nodes["provider"].receipts()
    exchange.sql(url, "SELECT pg_drop_replication_slot('kills'); DROP PUBLICATION kills")
    if not receipts or set(receipts) - {"genuine", "none"} or receipts.count("none") > 1:
        sys.exit(f"receipts: {receipts}")
    print(f"{arguments.rows} rows, killed {killed}: equal after {peace:.0f} s in peace, {receipts.count('genuine')} receipts looked at")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--every", type=float, default=3.0, help="seconds between kills, about")
    parser.add_argument("--patience", type=float, default=600, help="seconds until the end has to be equal")
    parser.add_argument("--seed", type=int, default=None)
    run(parser.parse_args())

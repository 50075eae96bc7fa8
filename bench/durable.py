"""Durable processes: completed instances a second on both databases, and a server with many timers."""

import json
import os
import pathlib
import re
import sqlite3
import subprocess
import tempfile
import time
import urllib.request

from result import Results
from server import TONGBAN, environment

EXAMPLE = ["cargo", "run", "--quiet", "--release", "-p", "workflow", "--example", "durable", "--"]
PEER_SECONDS = 10
WAITING = 100_000
DUE_SOON = 300

APPROVAL = b"""<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" id="d" targetNamespace="t">
<process id="p" isExecutable="true">
<startEvent id="s"/><parallelGateway id="g"/><parallelGateway id="j"/><endEvent id="e"/>
<userTask id="a"/><userTask id="b"/><userTask id="c"/>
<sequenceFlow id="f1" sourceRef="s" targetRef="g"/>
<sequenceFlow id="f2" sourceRef="g" targetRef="a"/><sequenceFlow id="f3" sourceRef="g" targetRef="b"/>
<sequenceFlow id="f4" sourceRef="g" targetRef="c"/><sequenceFlow id="f5" sourceRef="a" targetRef="j"/>
<sequenceFlow id="f6" sourceRef="b" targetRef="j"/><sequenceFlow id="f7" sourceRef="c" targetRef="j"/>
<sequenceFlow id="f8" sourceRef="j" targetRef="e"/>
</process></definitions>"""


def peer_per_second() -> float:
    """The same approval in SpiffWorkflow, written as JSON and read again after every task; no database."""
    from SpiffWorkflow import TaskState
    from SpiffWorkflow.bpmn import BpmnWorkflow
    from SpiffWorkflow.bpmn.parser import BpmnParser
    from SpiffWorkflow.bpmn.serializer import BpmnWorkflowSerializer

    parser = BpmnParser()
    parser.add_bpmn_str(APPROVAL)
    spec = parser.get_spec("p")
    serializer = BpmnWorkflowSerializer()
    done, begin = 0, time.monotonic()
    while time.monotonic() - begin < PEER_SECONDS:
        workflow = BpmnWorkflow(spec)
        workflow.do_engine_steps()
        while not workflow.completed:
            workflow.get_tasks(state=TaskState.READY, manual=True)[0].run()
            workflow.do_engine_steps()
            workflow = serializer.deserialize_json(serializer.serialize_json(workflow))
        done += 1
    return done / (time.monotonic() - begin)


def example(*arguments: str) -> dict:
    return json.loads(subprocess.run([*EXAMPLE, *arguments], check=True, capture_output=True, text=True).stdout)


def durable(results: Results, instances: int = 10_000) -> None:
    """Three-branch parallel approvals: every act waits until its change is on the disk."""
    peer = round(peer_per_second(), 1)
    with tempfile.TemporaryDirectory(prefix="tongban-bench-") as folder:
        measured = example("rate", f"sqlite://{folder}/bench.db", str(instances))
        report(results, "sqlite", measured, peer)
    with postgres() as url:
        report(results, "postgres", example("rate", url, str(instances), "16"), peer)


def many(results: Results, tasks: int = 10_000) -> None:
    """One instance with many tasks at once, completed one after the other."""
    with tempfile.TemporaryDirectory(prefix="tongban-bench-") as folder:
        few = example("many", f"sqlite://{folder}/few.db", str(tasks // 10))
        all_of_them = example("many", f"sqlite://{folder}/many.db", str(tasks))
    note = (
        f"of {tasks}; {few['first_ms']:.1f} ms of {tasks // 10}; "
        f"all of them in {all_of_them['all_s']:.0f} s"
    )
    results.add("many_task_ms", all_of_them["first_ms"], "ms", note=note)


def report(results: Results, database: str, measured: dict, peer: float) -> None:
    rate = measured["instances_per_s"]
    note = f"{measured['instances']} instances by {measured['at_once']} clients"
    results.add(f"durable_instances_per_s.{database}", rate, "instances/s", "spiffworkflow", peer, note=note)
    note = f"completing one task under that load; median {measured['task_p50_ms']:.1f} ms"
    results.add(f"durable_task_p99_ms.{database}", measured["task_p99_ms"], "ms", note=note)


class postgres:
    """A PostgreSQL with fsync, on a port of its own, gone afterwards."""

    PORT = 55439

    def __enter__(self) -> str:
        self.folder = tempfile.TemporaryDirectory(prefix="tongban-bench-pg-")
        path = pathlib.Path(self.folder.name)
        self.bin = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"))[-1].parent
        self.data = path / "data"
        if os.geteuid() == 0:
            subprocess.run(["chown", "postgres", path], check=True)
        self.run("initdb", "-D", self.data, "-U", "tongban", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
        options = f"-p {self.PORT} -k {path} -c listen_addresses=127.0.0.1"
        self.run("pg_ctl", "-D", self.data, "-w", "-l", path / "log", "-o", options, "start")
        self.run("createdb", "-h", "127.0.0.1", "-p", str(self.PORT), "-U", "tongban", "bench")
        return f"postgres://tongban@127.0.0.1:{self.PORT}/bench"

    def __exit__(self, *_) -> None:
        self.run("pg_ctl", "-D", self.data, "-m", "immediate", "stop")
        self.folder.cleanup()

    def run(self, program: str, *arguments) -> None:
        # The server refuses to run as root.
        user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        subprocess.run([*user, self.bin / program, *arguments], check=True, stdout=subprocess.DEVNULL)


def timers(results: Results) -> None:
    """A server over many waiting instances: memory, start, and how late timers fire."""
    with tempfile.TemporaryDirectory(prefix="tongban-bench-") as folder:
        data = pathlib.Path(folder)
        settings = environment(data) | {"TONGBAN_WEB__LISTEN": "127.0.0.1:8497"}
        subprocess.run([TONGBAN, "migrate"], check=True, stdout=subprocess.DEVNULL, env=settings)
        example("fill", f"sqlite://{data}/tongban.db", str(WAITING), str(DUE_SOON))
        begin = time.monotonic()
        server = subprocess.Popen([TONGBAN, "serve"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=settings)
        try:
            wait_for("http://127.0.0.1:8497/healthz")
            started = time.monotonic() - begin
            late = wait_for_timers(data / "tongban.db", DUE_SOON * 3)
            status = pathlib.Path(f"/proc/{server.pid}/status").read_text()
            resident = int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024
        finally:
            server.terminate()
            server.wait(timeout=30)
    note = f"{WAITING} waiting instances with {WAITING * 3} timers; started in {started:.2f} s"
    results.add("timers_rss_mb", resident, "MB", note=note)
    results.add("timers_start_s", started, "s", note="to the first answer")
    note = f"the latest of {DUE_SOON * 3} timers that came due within seconds"
    results.add("timers_late_s", late, "s", note=note)


def wait_for(url: str) -> None:
    while True:
        try:
            with urllib.request.urlopen(url) as answer:
                return answer.read()
        except OSError:
            time.sleep(0.02)


def wait_for_timers(database: pathlib.Path, count: int) -> float:
    """How long after its moment the latest timer fired."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    fired = "SELECT instance, MAX(at), COUNT(*) FROM workflow_trail WHERE element LIKE 'b_' AND what = 'left' GROUP BY instance"
    until = time.monotonic() + 180
    while time.monotonic() < until:
        rows = connection.execute(fired).fetchall()
        if sum(row[2] for row in rows) >= count:
            break
        time.sleep(1)
    else:
        raise TimeoutError("the timers did not fire")
    started = dict(connection.execute("SELECT id, started_at FROM workflow_instance"))
    return max((at - started[instance]) / 1e6 - 30 for instance, at, _ in rows)

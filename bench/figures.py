"""The figures: each measured on the product as it is shipped, with its floor and its aim."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bench import floors
from tests.product import Server, program
from tests.thin_api import Access, Api

LATENCY_RUNS = 100
THROUGHPUT_RUNS = 500
CLIENTS = 4
WARM_UP = 10
LOG_LINES = 200_000
LINE = "x" * 99
LOG_COMMAND = f"i=0; while [ $i -lt {LOG_LINES} ]; do echo {LINE}; i=$((i+1)); done"

STAMP = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: stamp}
spec: {template: {phases: [{name: stamp, commands: ["date +%s%N"]}]}}
"""
NOTHING = STAMP.replace("stamp", "nothing").replace("date +%s%N", ":")
LONG_LOG = (
    STAMP.replace("stamp", "long-log")
    .replace('"date +%s%N"', repr(LOG_COMMAND))
    .replace("{name: long-log, commands", "{name: long-log, timeout: 600, commands")
)


@dataclass(frozen=True)
class Figure:
    """One measured value beside what it may be, both in `unit`. `is_floor`: more is better."""

    name: str
    value: float
    limit: float
    unit: str
    how: str
    is_floor: bool = False

    @property
    def is_met(self) -> bool:
        """Whether the aim was reached."""
        return self.value >= self.limit if self.is_floor else self.value <= self.limit


def latencies(api: Api) -> list[Figure]:
    """Trigger to the first command, and to the final state at a follower, on an idle system."""
    starts, ends = [], []
    for number in range(WARM_UP + LATENCY_RUNS):
        sent = time.time()
        automation_id = api.run("stamp")
        api.wait_final(automation_id)
        ended = time.time()
        stamp = int(api.request("GET", f"/api/v1/automations/{automation_id}/log")) / 1e9
        if number >= WARM_UP:
            starts.append(stamp - sent)
            ends.append(ended - sent)
    date = floors.median_ms(floors.bare_date())
    p50, p95 = floors.median_ms(starts), floors.p95_ms(starts)
    final = floors.median_ms(ends)
    return [
        Figure("trigger → command started, p50", p50, 4 * date, "ms", f"4 × bare `sh -c date` ({date:.1f} ms)"),
        Figure("trigger → command started, p95", p95, 2 * p50, "ms", "2 × p50"),
        Figure("trigger → final state at a follower, p50", final, 2 * p50, "ms", "2 × trigger → started"),
    ]


def start_seconds(api: Api) -> float:
    """From the trigger of an automation to its first command; answers once it has ended."""
    sent = time.time()
    automation_id = api.run("stamp")
    api.wait_final(automation_id)
    return int(api.request("GET", f"/api/v1/automations/{automation_id}/log")) / 1e9 - sent


def throughput(access: Access) -> Figure:
    """No-op automations a second: all triggered by four clients, all final."""
    floor = floors.forks_per_second()
    began = time.perf_counter()
    with multiprocessing.get_context("spawn").Pool(CLIENTS) as pool:
        pool.map(warm_up, [access] * CLIENTS)
        began = time.perf_counter()
        ids = [automation for some in pool.map(_trigger, [access] * CLIENTS) for automation in some]
        api = Api(access)
        wait_all(api, "nothing", len(ids))
        seconds = time.perf_counter() - began
    how = f"12 % of bare fork+exec on 4 threads ({floor:.0f}/s)"
    return Figure("no-op automations", len(ids) / seconds, 0.12 * floor, "/s", how, is_floor=True)


def warm_up(access: Access) -> None:
    """Let a process of a pool load what it needs, and the server who it speaks for."""
    Api(access).json("GET", "/api/v1/whoami")


def _trigger(access: Access) -> list[str]:
    api = Api(access)
    return [api.run("nothing") for _ in range(THROUGHPUT_RUNS // CLIENTS)]


def wait_all(api: Api, template: str, count: int) -> None:
    """Until as many automations of it have succeeded; the queue is drained in order, so the newest are last."""
    listing = f"/api/v1/automations?template={template}"
    while api.json("GET", f"{listing}&state=queued&limit=1")["items"]:
        time.sleep(0.02)
    while api.json("GET", f"{listing}&state=running&limit=1")["items"]:
        time.sleep(0.01)
    done, cursor = 0, ""
    while True:
        page = api.json("GET", f"{listing}&state=succeeded&limit=200&cursor={cursor}")
        done, cursor = done + len(page["items"]), page["next_cursor"]
        if not cursor:
            break
    if done != count:
        raise RuntimeError(f"{done} of {count} automations succeeded")


def long_log(api: Api, server_pid: int, worker_pid: int) -> list[Figure]:
    """A 20 MB log from the trigger until all of it can be read back; and what memory that takes."""
    floor, size = floors.pipe_seconds(LOG_COMMAND)
    before = {pid: _reset_peak(pid) for pid in (server_pid, worker_pid)}
    began = time.perf_counter()
    automation_id = api.run("long-log")
    api.wait_final(automation_id)
    log = api.request("GET", f"/api/v1/automations/{automation_id}/log")
    seconds = time.perf_counter() - began
    if log != f"{LINE}\n".encode() * LOG_LINES:
        raise RuntimeError("the log that was read back is not the one that was written")
    growth = {pid: peak_mib(pid) - before[pid] for pid in before}
    how = f"3 × the same through a bare pipe ({floor:.2f} s, {size / 1e6:.0f} MB)"
    return [
        Figure("log of 200,000 lines, readable", seconds, 3 * floor, "s", how),
        Figure("server's growth during it", growth[server_pid], 40, "MiB", "peak resident, less before"),
        Figure("worker's growth during it", growth[worker_pid], 40, "MiB", "peak resident, less before"),
    ]


def idle_memory(server_pid: int, worker_pid: int) -> list[Figure]:
    """Resident memory before any work."""
    return [
        Figure("server, idle", resident_mib(server_pid), 60, "MiB", "resident"),
        Figure("worker, idle", resident_mib(worker_pid), 40, "MiB", "resident"),
    ]


def start_up(folder: Path) -> list[Figure]:
    """`--version` of the warm built file, and a server from its start to its ready line."""
    click = floors.median_ms([_run_seconds([sys.executable, "-c", "import click"]) for _ in range(20)])
    version = floors.median_ms([_run_seconds([*program(), "--version"]) for _ in range(20)])
    server = Server(folder)
    ready = floors.median_ms([_ready_seconds(server) for _ in range(5)]) / 1000
    return [
        Figure("`opsicle --version`", version, 2.5 * click, "ms", f"2.5 × `import click` ({click:.0f} ms)"),
        Figure("server to ready", ready, 1.0, "s", "1 s"),
    ]


def _ready_seconds(server: Server) -> float:
    """From the start of a server to its ready line; all but the first on a data folder that it knows."""
    began = time.perf_counter()
    server.start()
    seconds = time.perf_counter() - began
    server.process.stop()
    return seconds


def _run_seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def resident_mib(pid: int) -> float:
    """A process's resident memory now."""
    return _status_mib(pid, "VmRSS")


def peak_mib(pid: int) -> float:
    """The most resident memory that a process has ever had."""
    return _status_mib(pid, "VmHWM")


def _reset_peak(pid: int) -> float:
    """Forget what a process once had (hashing a password takes 46 MiB for a moment); answers what it has now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return resident_mib(pid)


def _status_mib(pid: int, name: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"process {pid} is gone, or {os.uname().sysname} does not tell")

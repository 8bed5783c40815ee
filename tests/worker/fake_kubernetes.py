"""What of Kubernetes' API real `kubectl` asks for, with a kubelet that runs a pod as a process.

No cluster: nothing here says how a real one schedules, pulls or evicts. It says what `kubectl` is
told then, in the form of Kubernetes' API. A pod is the first process of a namespace of its own.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support import require, wait_until

_DISCOVERY: dict[str, Any] = {
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {
        "kind": "APIResourceList",
        "groupVersion": "v1",
        "resources": [
            {"name": name, "namespaced": True, "kind": kind, "verbs": ["create", "delete", "get"]}
            for name, kind in (("pods", "Pod"), ("secrets", "Secret"))
        ],
    },
}
_CONFIG = """
apiVersion: v1
kind: Config
current-context: tests
clusters: [{{name: tests, cluster: {{server: "http://127.0.0.1:{port}"}}}}]
contexts: [{{name: tests, context: {{cluster: tests, user: ""}}}}]
"""


class FakeKubernetes:
    """An API server on loopback. `objects` are what it has, by kind and name."""

    def __init__(self, folder: Path) -> None:
        require(
            os.geteuid() == 0 and shutil.which("kubectl") is not None,
            "root, and kubectl: apt-get install kubernetes-client",
        )
        self.folder = folder
        self.objects: dict[str, dict[str, dict[str, Any]]] = {"pods": {}, "secrets": {}}
        self.created: list[dict[str, Any]] = []
        self.cut_log_after = 0
        self.refused: set[str] = set()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._kubelets: list[threading.Thread] = []
        outer = self

        class Handler(_Handler):
            cluster = outer

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        (folder / "config").write_text(_CONFIG.format(port=self._server.server_port))
        self.environment = {"KUBECONFIG": str(folder / "config"), "HOME": str(folder)}

    def close(self) -> None:
        for name in list(self._processes):
            self.kill(name)
        for kubelet in self._kubelets:
            kubelet.join(60)
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def create(self, kind: str, made: dict[str, Any]) -> None:
        name = made["metadata"]["name"]
        self.created.append(made)
        self.objects[kind][name] = made
        if kind == "pods":
            made["status"] = {"phase": "Pending"}
            if "/" in made["spec"]["containers"][0]["image"]:
                waiting = {"reason": "InvalidImageName", "message": "no such name"}
                made["status"]["containerStatuses"] = [{"state": {"waiting": waiting}}]
            else:
                kubelet = threading.Thread(target=self._run, args=(name, made))
                self._kubelets.append(kubelet)
                kubelet.start()

    def delete(self, kind: str, name: str, grace: float) -> None:
        if kind == "pods" and name in self._processes:
            self.signal(name, signal.SIGTERM)
            threading.Timer(grace, self.kill, [name]).start()
            self.objects[kind][name]["metadata"]["deletionTimestamp"] = "now"
        else:
            self.objects[kind].pop(name, None)

    def signal(self, name: str, number: signal.Signals) -> None:
        process = self._processes[name]
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        with suppress(OSError):
            for pid in children.read_text().split():
                os.kill(int(pid), number)

    def kill(self, name: str) -> None:
        if name in self._processes:
            self.signal(name, signal.SIGKILL)

    @property
    def pods(self) -> list[str]:
        return list(self.objects["pods"])

    def end(self, **status: Any) -> None:
        """Kill the only pod's container, and say why, as a kubelet does."""
        (name,) = self.pods
        self.objects["pods"][name]["why"] = status
        self.kill(name)

    def lose(self) -> None:
        """Take the only pod off the list, as what cleans up behind a lost node does."""
        self.objects["pods"].clear()

    def log_of(self, name: str) -> Path:
        return self.folder / name / "log"

    def _run(self, name: str, pod: dict[str, Any]) -> None:
        folder = self.folder / name
        for each in ("given", "left", "workspace"):
            (folder / each).mkdir(parents=True)
        for key, value in self.objects["secrets"][name]["data"].items():
            text = base64.b64decode(value).replace(b"/opsicle/", f"{folder}/".encode())
            message = f"{folder}/message".encode()
            (folder / "given" / key).write_bytes(text.replace(b"/dev/termination-log", message))
        with self.log_of(name).open("wb") as log:
            command = ["unshare", "--pid", "--fork", "--kill-child", "/bin/sh"]
            process = self._processes[name] = subprocess.Popen(
                [*command, folder / "given" / "first"],
                stdout=log,
                stderr=log,
                env={"PATH": os.environ["PATH"]},
            )
            pod["status"] = {"phase": "Running", "containerStatuses": [{"state": {"running": {}}}]}
            code = process.wait()
        del self._processes[name]
        message = folder / "message"
        why = pod.get("why", {})
        terminated = {
            "exitCode": code if code >= 0 else 128 - code,
            "message": message.read_text()[:4096] if message.exists() else "",
            "reason": why.pop("container", "Completed" if code == 0 else "Error"),
        }
        phase = "Succeeded" if code == 0 else "Failed"
        states = [{"state": {"terminated": terminated}}]
        pod["status"] = {"phase": phase, "containerStatuses": states, **why}
        if "deletionTimestamp" in pod["metadata"]:
            self.objects["pods"].pop(name, None)


class _Handler(BaseHTTPRequestHandler):
    cluster: FakeKubernetes
    protocol_version = "HTTP/1.0"

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        if found := _DISCOVERY.get(address.path):
            return self._answer(200, found)
        kind, *name = address.path.split("/")[5:] or [""]
        if kind not in self.cluster.objects:
            return self._not_found()
        query = parse_qs(address.query)
        if len(name) == 2:
            return self._stream(name[0], follow="follow" in query)
        if name:
            found = self.cluster.objects[kind].get(name[0])
            return self._answer(200, found) if found else self._not_found()
        selector = query.get("labelSelector", [""])[0].partition("=")
        items = [
            each
            for each in self.cluster.objects[kind].values()
            if each["metadata"]["labels"].get(selector[0], "") == selector[2] or not selector[0]
        ]
        singular = {"pods": "Pod", "secrets": "Secret"}[kind]
        for each in items:
            each |= {"kind": singular, "apiVersion": "v1"}
        listed = {"kind": f"{singular}List", "apiVersion": "v1", "items": items, "metadata": {}}
        return self._answer(200, listed)

    def do_POST(self) -> None:
        made, kind = self._body(), self.path.split("?")[0].split("/")[5]
        if kind in self.cluster.refused:
            return self._fail(403, "Forbidden", "it would be over the quota")
        self.cluster.create(kind, made)
        return self._answer(201, made)

    def do_DELETE(self) -> None:
        kind, name = urlsplit(self.path).path.split("/")[5:]
        found = self.cluster.objects[kind].get(name)
        if found is None:
            return self._not_found()
        self.cluster.delete(kind, name, float(self._body().get("gracePeriodSeconds", 30)))
        return self._answer(200, found)

    def _body(self) -> dict[str, Any]:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        read: dict[str, Any] = json.loads(content) if content else {}
        return read

    def _stream(self, name: str, *, follow: bool) -> None:
        cluster, sent = self.cluster, 0
        if name not in cluster.objects["pods"]:
            return self._not_found()
        self._head(200, "text/plain")
        path = cluster.log_of(name)
        while True:
            is_over = name not in cluster._processes
            new = path.read_bytes()[sent:]
            if cluster.cut_log_after and sent + len(new) > cluster.cut_log_after:
                new = new[: max(0, cluster.cut_log_after - sent)]
                cluster.cut_log_after, follow = 0, False
            with suppress(OSError):
                self.wfile.write(new)
                self.wfile.flush()
            sent += len(new)
            if not follow or is_over:
                return None
            wait_for = path.stat().st_size
            with suppress(AssertionError):
                wait_until(
                    lambda at=wait_for: (
                        path.stat().st_size > at  # type: ignore[misc]
                        or name not in cluster._processes
                    ),
                    60,
                )

    def _not_found(self) -> None:
        self._fail(404, "NotFound", "it is not there")

    def _fail(self, code: int, reason: str, message: str) -> None:
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code}
        self._answer(code, {**status, "reason": reason, "message": message})

    def _answer(self, code: int, content: object) -> None:
        self._head(code, "application/json")
        self.wfile.write(json.dumps(content).encode())

    def _head(self, code: int, kind: str) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""

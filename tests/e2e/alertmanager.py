"""A real Alertmanager, as Debian has it, in a place of its own."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from shutil import which
from urllib.error import URLError
from urllib.request import Request, urlopen

from tests.e2e.namespaces import inside
from tests.e2e.targets import need
from tests.product import Place
from tests.support import wait_until

PORT = 9093


@dataclass
class Alertmanager:
    """Listens on its place's address, and sends what it is told as its configuration says."""

    folder: Path
    place: Place
    config: str
    process: subprocess.Popen[bytes] = field(init=False)

    def __enter__(self) -> Alertmanager:
        name = "prometheus-alertmanager"
        binary = need(which(name, path="/usr/bin:" + os.environ["PATH"]), name)
        self.folder.mkdir()
        (self.folder / "alertmanager.yml").write_text(self.config)
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [*self.place.prefix, binary, f"--config.file={self.folder}/alertmanager.yml",
                 f"--storage.path={self.folder}/data", "--cluster.listen-address=",
                 f"--web.listen-address={self.place.address}:{PORT}"],
                stdout=log,
                stderr=log,
            )  # fmt: skip
        wait_until(self._is_ready, 60, "Alertmanager to be ready")
        return self

    def fire(self, **labels: str) -> None:
        """Let an alert with these labels fire."""
        body = json.dumps([{"labels": labels}]).encode()
        request = Request(f"{self._url}/api/v2/alerts", body, {"Content-Type": "application/json"})
        with inside(self.place), urlopen(request, timeout=60) as answer:
            assert answer.status == 200

    def log(self) -> str:
        return (self.folder / "log").read_text()

    @property
    def _url(self) -> str:
        return f"http://{self.place.address}:{PORT}"

    def _is_ready(self) -> bool:
        assert self.process.poll() is None, self.log()
        try:
            with inside(self.place), urlopen(f"{self._url}/-/ready", timeout=60) as answer:
                return bool(answer.status == 200)
        except URLError:
            return False

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(60)

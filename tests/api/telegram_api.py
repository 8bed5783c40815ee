"""Telegram, emulated by the npm package telegram-test-api, and people who write to a bot there."""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support import free_port, require

HERE = Path(__file__).parents[1] / "telegram"
INSTALLED = Path(__file__).parents[2] / ".cache/telegram-test-api"
TOKEN = "123456:ABC-DEF_ghijklmnop"


@dataclass
class TelegramApi:
    """The emulated service; `url` is what a channel's `base_url` is set to."""

    url: str

    def post(self, path: str, body: dict[str, Any]) -> Any:
        request = urllib.request.Request(
            f"{self.url}/{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["result"]


@dataclass
class TelegramUser:
    """Somebody with the bot in a private room, or in another one."""

    api: TelegramApi
    id: int
    room: int = 0
    kind: str = "private"

    @property
    def _place(self) -> dict[str, Any]:
        return {
            "botToken": TOKEN,
            "from": {"id": self.id, "is_bot": False, "first_name": "x"},
            "chat": {"id": self.room or self.id, "type": self.kind},
        }

    def write(self, text: str) -> None:
        self.api.post("sendMessage", {**self._place, "date": 0, "text": text})

    def press(self, data: str) -> None:
        self.api.post("sendCallback", {**self._place, "message": self._place, "data": data})

    def read(self) -> list[dict[str, Any]]:
        """Return what the bot has written to this room since the last call."""
        found = self.api.post("getUpdates", {"token": TOKEN, "chatId": self.room or self.id})
        return [update["message"] for update in found]

    def texts(self) -> list[str]:
        return [message["text"] for message in self.read()]


@contextmanager
def telegram_api(
    prefix: Sequence[str] = (), address: str = "127.0.0.1", port: int = 0
) -> Iterator[TelegramApi]:
    """Run the service as a process of its own, installed at first use.

    What `prefix` puts elsewhere needs a port.
    """
    require(bool(shutil.which("node") and shutil.which("npm")), "node and npm")
    _install()
    port = port or free_port()
    command = [*prefix, "node", str(HERE / "server.js"), str(port), address]
    with subprocess.Popen(command, cwd=INSTALLED, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        try:
            yield TelegramApi(f"http://{address}:{port}")
        finally:
            process.kill()


def _install() -> None:
    """Bring what the lock names into a folder that no source tree has."""
    INSTALLED.mkdir(parents=True, exist_ok=True)
    with (INSTALLED / "lock").open("w") as one_at_a_time:
        fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
        _install_once()


def _install_once() -> None:
    lock = (HERE / "package-lock.json").read_bytes()
    stamp = INSTALLED / "installed.json"
    if stamp.exists() and stamp.read_bytes() == lock:
        return
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, INSTALLED / name)
    command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"]
    subprocess.run(command, cwd=INSTALLED, check=True, timeout=300)
    stamp.write_bytes(lock)

"""What a server that has nothing to do has not loaded: it would keep it in memory for ever."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.processes import CHECKOUT, Process

RARELY_NEEDED = {
    "yaml": "a document is pushed",
    "re2": "a pattern of a template is used",
    "segno": "somebody adds an authenticator app",
    "smtplib": "a channel sends mail",
    "email.message": "a channel sends mail",
    "websockets": "a channel listens to Slack",
    "http.client": "a channel calls a chat service",
    "zoneinfo": "a schedule has a time zone",
    "difflib": "a name is mistyped",
    "shutil": "an org is removed",
    "lzma": "shutil loads it, for archives that are never made",
    "bz2": "shutil loads it, for archives that are never made",
    "prometheus_client": "the figures are asked for",
    "urllib3": "never: the command line calls servers with it",
    "opsicle.client": "never: it calls servers",
    "opsicle.worker": "never: it carries out jobs",
    "opsicle.server.backups.backup": "never: `opsicle backup` does it",
    "opsicle.server.doctor": "never: `opsicle doctor` does it",
    "subprocess": "never: the server starts no processes",
    "multiprocessing": "never: the server starts no processes",
    "asyncio": "never: gevent waits",
}
"""Modules, and when a server needs each."""

SCRIPT = f"""
import atexit, sys
sys.path.insert(0, {str(CHECKOUT)!r})
from opsicle.cli import main
atexit.register(lambda: print("loaded:", *sorted({set(RARELY_NEEDED)!r} & set(sys.modules))))
main()
"""


def test_an_idle_server_has_loaded_nothing_that_is_rarely_needed(tmp_path: Path) -> None:
    listen = "127.0.0.1:0"
    server = Process(
        [sys.executable, "-c", SCRIPT, "server", "--data-dir", str(tmp_path / "data"),
         "--listen", listen, "--worker-listen", listen],
        tmp_path,
        "server",
    )  # fmt: skip
    try:
        server.wait_for("opsicle server ready")

        assert server.stop() == 0, server.log()
    finally:
        server.kill()

    assert "loaded:\n" in server.output(), server.log()

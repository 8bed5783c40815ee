"""What takes its time and is the same for many tests, made once in each of their processes."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from opsicle.client.saved_logins import SavedLogin
from opsicle.wire.user_api import SetupRequest
from tests.api.running_server import ADMINS, PASSWORD, ApiServer


@cache
def set_up(org: str) -> tuple[Path, SavedLogin]:
    """Return a data folder as setting a server up leaves it, and its admin's login; made once.

    Keys, tables and the hash of a password take more time than a start that finds them. No server
    has run on the folder: one knows a copy from its own, and refuses it.
    """
    folder = Path(tempfile.mkdtemp(prefix="opsicle-set-up-"))
    atexit.register(shutil.rmtree, folder)
    made = ApiServer(folder)
    request = SetupRequest(made.setup_token(), org, ADMINS["acme"], PASSWORD)
    made.services.server_setup.complete(request, "127.0.0.1")
    token = made.login(ADMINS["acme"]).headers["Authorization"].removeprefix("Bearer ")
    made.close()

    ca_pem = (folder / "ca.pem").read_text()
    return folder, SavedLogin(server="", ca_pem=ca_pem, org=org, email=ADMINS["acme"], token=token)

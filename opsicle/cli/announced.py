"""What those who run the server announce, told to the person at the terminal behind a command.

The server is asked once an hour at the most, and each announcement is told once a day. Nothing is
asked or told where a program, a pager or a file takes what a command prints.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path

import click
import msgspec

from opsicle.cli.configuration import config_folder
from opsicle.cli.terminal import printable, say, styled
from opsicle.client.api import Api
from opsicle.client.saved_logins import SavedLogin
from opsicle.domain.errors import OpsicleError
from opsicle.kit import files
from opsicle.wire.announcement_api import Announcement
from opsicle.wire.endpoints.accounts import WHOAMI

_HOUR, _DAY = 3_600, 86_400
_DONE = f"{__name__}.done"


class _Told(msgspec.Struct):
    """When an org of a server was asked last, and when each announcement was told; in seconds."""

    asked_at: float = 0
    told_at: dict[str, float] = {}


def show(announcements: Iterable[Announcement]) -> None:
    """Tell announcements now, and nothing more behind this command."""
    click.get_current_context().find_root().meta[_DONE] = True
    _say(announcements)


def tell_at_the_end(api: Api, login: SavedLogin) -> None:
    """Tell what is announced once the command has done what it was asked, if it is time for it."""
    context = click.get_current_context().find_root()
    if login.token and _DONE not in context.meta:
        context.meta[_DONE] = False
        context.call_on_close(partial(_tell, context, api, login))


def _tell(context: click.Context, api: Api, login: SavedLogin) -> None:
    if context.meta[_DONE] or sys.exc_info()[0] not in {None, click.exceptions.Exit}:
        return  # told already, or something went wrong, which is what is to be read
    with suppress(OpsicleError, OSError):  # a courtesy: no command fails for it
        _ask(api, login)


def _ask(api: Api, login: SavedLogin) -> None:
    path, key, now = config_folder(os.environ) / "announced.json", _key(login), time.time()
    places = _read(path)
    told = places.setdefault(key, _Told())
    if 0 <= now - told.asked_at < _HOUR:
        return

    current = api.call(WHOAMI).announcements
    due = [each for each in current if not 0 <= now - told.told_at.get(each.id, 0) < _DAY]
    kept = {each.id: told.told_at.get(each.id, 0.0) for each in current}
    places[key] = _Told(now, kept | {each.id: now for each in due})

    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    files.replace(path, msgspec.json.encode(places))
    _say(due)


def _say(announcements: Iterable[Announcement]) -> None:
    for each in announcements:
        colour = "yellow" if each.severity == "warning" else "cyan"
        say(f"{styled('announcement:', colour)} {printable(each.text)}")


def _key(login: SavedLogin) -> str:
    return f"{login.server} {login.org}"


def _read(path: Path) -> dict[str, _Told]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, _Told])
    except (OSError, msgspec.MsgspecError):
        return {}  # never asked, or a file that is not ours

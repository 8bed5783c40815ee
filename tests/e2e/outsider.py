"""What somebody of another org gets to see of an automation not theirs.

What they see of one that never was.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tests.e2e.mission import SECONDS, Asked, Mission
from tests.e2e.namespaces import inside
from tests.product import Process, User
from tests.support import wait_until
from tests.thin_api import Access, Api

NOT_FOUND = 4
SIGHTINGS = "event: changed"
LISTS = (
    "templates",
    "automations",
    "approvals",
    "policies",
    "workers",
    "users",
    "channels",
    "deliveries",
    "audit",
)
BY_AUTOMATION = ("GET /{}", "GET /{}/log", "GET /{}/events", "POST /{}/cancel", "POST /{}/rerun")
BY_APPROVAL = ("GET /{}", "POST /{}/approve", "POST /{}/reject", "POST /{}/withdraw")
BY_TEMPLATE = (
    "GET /{}",
    "GET /{}/approval",
    "GET /{}/versions",
    "GET /{}/versions/1",
    "DELETE /{}",
)


class Outsider:
    """The admin of another org, with the command line and a program of their own."""

    def __init__(self, mission: Mission, user: User) -> None:
        self._mission = mission
        self._user = user
        server = mission.hosting.server
        token = user.json("tokens", "create", "--name", "curious")["token"]
        self._access = Access(server.url, (server.folder / "data/ca.pem").read_text(), token)
        self._events, self._others_events = (listen(mission, each) for each in (user, mission.ada))

    def sees_nothing_of(self, asked: Asked, template: str, *marker_pipe: str) -> None:
        """Ask for it in every way, by ids that a colleague has let slip.

        `marker_pipe` would give it away in a list.
        """
        for thing, name in (
            ("automation", asked.automation),
            ("approval", asked.approval),
            ("template", template),
        ):
            never = _never_existed(name)
            assert self._by_http(thing, name) == self._by_http(thing, never)
        for told in self._lists():
            assert not [
                mark
                for mark in (asked.automation, asked.approval, template, *marker_pipe)
                if mark in told
            ], told
        told_by_mail = [message["To"] for message in self._mission.mail.mailbox.messages]
        assert self._user.email not in told_by_mail
        wait_until(
            lambda: self._others_events.output().count(SIGHTINGS) > 1, SECONDS, "news for acme"
        )
        assert self._events.output().count(SIGHTINGS) == 1  # how it was when they began to listen

    def is_told_nothing_by_command_line(self, asked: Asked, template: str) -> None:
        """Try the same with every command that takes such an id."""
        for thing, name in (
            ("automation", asked.automation),
            ("approval", asked.approval),
            ("template", template),
        ):
            assert self._by_command_line(thing, name) == self._by_command_line(
                thing, _never_existed(name)
            )

    def _by_command_line(self, thing: str, name: str) -> list[str]:
        """Return what each command says, without the name."""
        commands = {
            "automation": ("automations show", "automations cancel", "automations rerun", "logs"),
            "approval": (
                "approvals show",
                "approvals approve",
                "approvals reject",
                "approvals withdraw",
            ),
            "template": ("templates show", "templates versions", "run"),
        }[thing]
        said = []
        for command in commands:
            done = self._user.attempt(*command.split(), name)
            assert done.returncode == NOT_FOUND, done
            said.append((done.stdout + done.stderr).replace(name, "NAME"))
        return said

    def _by_http(self, thing: str, name: str) -> list[str]:
        """Return what each route answers, without the name."""
        requests: Sequence[str] = {
            "automation": BY_AUTOMATION,
            "approval": BY_APPROVAL,
            "template": BY_TEMPLATE,
        }[thing]
        said = []
        with inside(self._user.place), Api(self._access) as api:
            for request in requests:
                method, _, path = request.format(name).partition(" ")
                said.append(_answer(api, method, f"/api/v1/{thing}s{path}").replace(name, "NAME"))
        assert all(" 404 " in answer for answer in said), said
        return said

    def _lists(self) -> list[str]:
        exported: Path = self._user.folder / "audit.jsonl"
        exported.unlink(missing_ok=True)
        self._user.cli("audit", "export", str(exported))
        with inside(self._user.place), Api(self._access) as api:
            lists = [json.dumps(api.json("GET", f"/api/v1/{name}")) for name in LISTS]
        whole = self._user.cli("approvals", "list", "--whose", "all") + self._user.cli(
            "automations", "list"
        )
        return [*lists, whole, exported.read_text()]


def listen(mission: Mission, user: User) -> Process:
    """Somebody's live data: it says when something of their org looks different."""
    server = mission.hosting.server
    token = user.json("tokens", "create", "--name", "events")["token"]
    curl = [
        "curl",
        "-sN",
        "--cacert",
        str(server.folder / "data/ca.pem"),
        "-H",
        f"Authorization: Bearer {token}",
    ]
    listener = Process(
        [*user.place.prefix, *curl, f"{server.url}/api/v1/events"], user.folder, "events"
    )
    mission.terminals.append(listener)
    listener.wait_for(SIGHTINGS)
    return listener


def _answer(api: Api, method: str, path: str) -> str:
    try:
        return api.request(method, path, {} if method == "POST" else None).decode()
    except RuntimeError as error:
        return str(error)


def _never_existed(name: str) -> str:
    """Return a name of the same form that nothing has."""
    return name[:-1] + ("0" if name[-1] != "0" else "1")

"""The mission's stage: a provider with two orgs, people, a target, a mail server and Telegram.

    user ──── provider's server ──── worker ──── target
                     └── outside: mail server, Telegram

In the fully managed placement the worker is the provider's and shared; with shared responsibility
it is acme's own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from tests.api.receivers import MailServer, certified, mail_server
from tests.api.telegram_api import TOKEN, TelegramApi, TelegramUser, telegram_api
from tests.e2e.namespaces import Network, inside, network
from tests.e2e.nginx_jobs import NginxJobs
from tests.e2e.people import Colleague, Phone
from tests.e2e.targets import Nginx
from tests.product import CHECKOUT, Installation, Place, Process, Worker
from tests.support import wait_until

USER, SERVER, WORKER, TARGET, OUTSIDE = (f"10.77.0.{number}" for number in range(1, 6))
TELEGRAM_PORT = 8443
MAIL_PASSWORD = "a-mail-password"
SECONDS = 90.0
"""A hang guard: what is waited for takes a second or two."""


@dataclass
class Asked:
    """What somebody has asked for, and their terminal that waits for its end."""

    automation: str
    approval: str
    page: str
    terminal: Process

    def wait(self) -> int:
        """Return how the followed run ends."""
        return self.terminal.popen.wait(SECONDS)


@dataclass
class Mission:
    """One placement with everybody in it."""

    net: Network
    folder: Path
    places: dict[str, Place]
    hosting: Installation
    nginx: Nginx
    mail: MailServer
    telegram: TelegramApi
    start_worker: Callable[[Mission], Worker]
    approvers: dict[str, Colleague] = field(default_factory=dict)
    terminals: list[Process] = field(default_factory=list)

    def __post_init__(self) -> None:
        alice = self.hosting.admin
        self.ada = self._first_admin(alice, "acme")
        self.gwen = self._first_admin(alice, "globex")
        self._make_channels()
        self.bob = self.hire("bob", "approver").enrol()
        self.carol = self.hire("carol", "member", "--manager", self.bob.email)
        self.bob.link("bot", self.phone_user(4711))
        self.worker = self.start_worker(self)

    def _first_admin(self, alice: Any, org: str) -> Colleague:
        """Return an org's first admin, who comes in by the link that founding it gives."""
        who = self._person({"acme": "ada", "globex": "gwen"}[org])
        made = alice.json("orgs", "create", org, "--admin", who.email)
        who.accept(self.hosting.server, made["invitation"]["url"])
        return who

    def _person(self, name: str) -> Colleague:
        email, place = f"{name}@example.com", self.places["user"]
        return Colleague(self.folder / name, email, place, by_checkout=True)

    def hire(self, name: str, role: str, *more: str) -> Colleague:
        """Return somebody new in acme."""
        return self._person(name).join(self.hosting.server, self.ada, role, *more)

    def approver(self, name: str) -> Colleague:
        """Return somebody of acme with an authenticator app; the same in all tests."""
        if name not in self.approvers:
            self.approvers[name] = self.hire(name, "approver").enrol()
        return self.approvers[name]

    def phone_user(self, number: int) -> Phone:
        return Phone(TelegramUser(self.telegram, number), self.places["outside"])

    def _make_channels(self) -> None:
        outside = ["--allow-network", OUTSIDE, "--credential-file"]
        port = self.mail.port
        settings = {
            "host": OUTSIDE,
            "port": port,
            "sender": "opsicle@provider.example",
            "username": "opsicle",
        }
        given = [f"--set={name}={value}" for name, value in settings.items()]

        password = self.file("mail-password", MAIL_PASSWORD)
        ca = str(self.folder / "mail-ca.pem")

        self.ada.cli(
            "channels",
            "create",
            "mail",
            "--kind",
            "email",
            *given,
            "--ca-file",
            ca,
            *outside,
            password,
        )

        url = f"--set=base_url={self.telegram.url}"
        token = self.file("bot-token", TOKEN)
        self.ada.cli("channels", "create", "bot", "--kind", "telegram", url, *outside, token)

    def file(self, name: str, text: str) -> str:
        """Write a file with this text; return its path."""
        (self.folder / name).write_text(text)
        return str(self.folder / name)

    def push(self, name: str, **gate: Any) -> NginxJobs:
        """Push the example that changes nginx's page, under this name and with this gate."""
        policy = json.dumps({"spec": {"gates": [{"name": "consent", **gate}]}})
        source = (CHECKOUT / "examples/nginx-change-page.yaml").read_text()
        source = source.replace("name: nginx-change-page", f"name: {name}", 1)
        source = source.replace("\nspec:\n", f"\nspec:\n  approvalPolicy: {policy}\n", 1)
        self.ada.cli("templates", "push", self.file(f"{name}.yaml", source))
        return NginxJobs(self.carol, self.nginx, name)

    def ask(self, jobs: NginxJobs, page: str, reason: str) -> Asked:
        """Ask for a new page as Carol, who waits at her terminal."""
        terminal = self.carol.start(f"run-{jobs.template}", *jobs.command(page), "--reason", reason)
        self.terminals.append(terminal)

        def asked() -> Any:
            pending = self.carol.json("approvals", "list", "--whose", "asked", "--state", "pending")
            return [each for each in pending if each["template"] == jobs.template]

        [approval] = wait_until(asked, SECONDS, f"the request\n{terminal.log()}")
        url = f"{self.hosting.server.url}/approvals/{approval['id']}"
        return Asked(approval["automation_id"], approval["id"], url, terminal)

    def letter(self, to: Colleague, *texts: str) -> str:
        """Return the text of the e-mail to somebody in which all of these stand."""

        def find() -> str:
            bodies = (text_of(message) for message in self.letters(to))
            return next((body for body in bodies if all(text in body for text in texts)), "")

        return wait_until(find, SECONDS, f"an e-mail to {to.email} with {texts}")

    def letters(self, to: Colleague) -> list[EmailMessage]:
        """Return the e-mails that somebody has got."""
        return [
            message for message in list(self.mail.mailbox.messages) if message["To"] == to.email
        ]

    def told_at(self, to: Colleague, asked: Asked) -> datetime:
        """Return the date of the first e-mail to somebody with the link to this page."""
        return next(
            parsedate_to_datetime(message["Date"])
            for message in self.letters(to)
            if asked.page in text_of(message)
        )


def text_of(message: EmailMessage) -> str:
    """Return subject and text of an e-mail."""
    body = message.get_body(("plain",))
    assert body
    return f"{message['Subject']}\n{body.get_content()}"


@contextmanager
def stage(folder: Path, start_worker: Callable[[Mission], Worker]) -> Iterator[Mission]:
    """Set up places, target, the world outside, and a provider with two orgs and a worker."""
    with ExitStack() as stack:
        net = stack.enter_context(network())
        places = _places(net)
        certificate = certified(folder, OUTSIDE)
        (folder / "mail-ca.pem").write_text(certificate.ca_pem)
        outside = places["outside"]
        with inside(outside):
            mail = stack.enter_context(mail_server(certificate.context, address=OUTSIDE))
        telegram = stack.enter_context(telegram_api(outside.prefix, OUTSIDE, TELEGRAM_PORT))
        nginx = stack.enter_context(Nginx(folder / "nginx", places["target"]))
        options = ("--allow-egress", OUTSIDE)
        hosting = Installation(folder, places["server"], places["user"], options, org="hosting")
        stack.enter_context(hosting)
        mission = Mission(net, folder, places, hosting, nginx, mail, telegram, start_worker)
        try:
            yield mission
        finally:
            for terminal in mission.terminals:
                terminal.kill()


def _places(net: Network) -> dict[str, Place]:
    places = {
        "user": net.place("user", USER),
        "server": net.place("server", SERVER),
        "worker": net.place("worker", WORKER, outward_only=True),
        "target": net.place("target", TARGET),
        "outside": net.place("outside", OUTSIDE),
    }
    for one, other in (
        ("user", "server"),
        ("worker", "server"),
        ("worker", "target"),
        ("server", "outside"),
    ):
        net.link(places[one], places[other])
    return places


def shared_worker(mission: Mission) -> Worker:
    """Fully managed: the provider's worker, which serves acme because acme's admin says so."""
    token = mission.hosting.admin.json("workers", "token", "--shared")["token"]
    mission.ada.cli("orgs", "update", "--allow-shared-workers", "true")
    return mission.hosting.join("shared-1", token, mission.places["worker"])


def own_worker(mission: Mission) -> Worker:
    """Shared responsibility: acme's own worker, in acme's network."""
    token = mission.ada.json("workers", "token")["token"]
    return mission.hosting.join("acme-1", token, mission.places["worker"])

"""The product as its users have it.

Processes started by command line, in a place (a network namespace) or not.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from opsicle.client.saved_logins import SavedLogins
from tests import private_folders
from tests.prepared import set_up
from tests.processes import (
    CHECKOUT,  # noqa: F401 - asked for here by most tests
    Process,
    clean_environment,
    is_checkout,
    program,
)
from tests.support import free_port
from tests.thin_api import Access, Api
from tests.warm_cli import WarmCli, warm_cli

PASSWORD = "correct horse battery staple"
CALLING = ("accept", "login", "setup")
"""Commands that call a server as somebody who has not logged in."""
READING = {"run", "validate"}
"""Commands that read documents, which they do without a server for somebody who has not logged in.
"""


@dataclass
class Place:
    """Where things run: a prefix such as `ip netns exec NAME`, and the address to reach it by."""

    prefix: tuple[str, ...] = ()
    address: str = "127.0.0.1"

    @property
    def is_like_here(self) -> bool:
        """Whether all is as here but for the network."""
        return self.prefix[:3] in ((), ("ip", "netns", "exec"))


@dataclass
class Server:
    """A server process with its data folder."""

    folder: Path
    place: Place = field(default_factory=Place)
    options: tuple[str, ...] = ()
    is_warm: bool = True
    process: Process = field(init=False)
    starts: int = 0
    known: dict[str, Any] = field(default_factory=dict)
    """What `server.json` said at the last start: a server that stops removes the file."""

    def start(self) -> Server:
        """Start it, on the same ports as the last time if there was one."""
        known = self.known
        listen = _host_port(known.get("url"), self.place.address)
        worker_listen = _host_port(known.get("worker_url"), self.place.address)
        self.process = Process(
            [*self.place.prefix, *program(), "server", "--data-dir", str(self.folder / "data"),
             "--listen", listen, "--worker-listen", worker_listen, *self.options],
            self.folder,
            "server",
            is_warm=self.is_warm,
        )  # fmt: skip

        self.starts += 1
        self.process.wait_for("opsicle server ready", self.starts)
        self.known = self.facts
        return self

    @property
    def facts(self) -> dict[str, Any]:
        """`server.json`."""
        facts: dict[str, Any] = json.loads((self.folder / "data/server.json").read_text())
        return facts

    @property
    def url(self) -> str:
        return str(self.facts["url"])

    def setup(self, user: User, org: str = "acme") -> None:
        """Make the first org, with `user` as its admin."""
        token = (self.folder / "data/setup-token").read_text().strip()
        user.cli(
            "setup", "--server", self.url, "--token", token, "--org", org, "--email", user.email,
            "--password-file", str(user.password_file),
        )  # fmt: skip


def _host_port(url: str | None, address: str) -> str:
    return url.split("//")[1].rstrip("/") if url else f"{address}:{free_port()}"


@dataclass
class User:
    """A person at a terminal, with a config folder of their own."""

    folder: Path
    email: str
    place: Place = field(default_factory=Place)
    by_checkout: bool = False
    """Whether their commands are the checkout's, whatever is tested."""

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.password_file = self.folder / "password"
        self.password_file.write_text(PASSWORD)
        self.config = self.folder / "config"
        self.environment = {"OPSICLE_CONFIG_DIR": str(self.config), "NO_COLOR": "1"}

    def login(self, server: Server) -> None:
        self.cli(
            "login", "--server", server.url, "--ca-fingerprint", server.facts["ca_fingerprint"],
            "--email", self.email, "--password-file", str(self.password_file),
        )  # fmt: skip

    def accept(self, server: Server, link: str) -> None:
        """Come into an org by an invitation's link, and be logged in there."""
        self.cli(
            "accept", link, "--password-file", str(self.password_file),
            "--ca-fingerprint", server.facts["ca_fingerprint"],
        )  # fmt: skip

    def attempt(self, *arguments: str, timeout: float = 120.0) -> subprocess.CompletedProcess[str]:
        """Run the command line tool, whatever comes of it."""
        environment = clean_environment(self.environment)
        if warm := self._warm_cli(arguments, environment):
            return warm.run(arguments, environment, timeout)
        return subprocess.run(
            [*self.place.prefix, *program(), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            env=environment,
            timeout=timeout,
            check=False,
        )

    def _warm_cli(self, arguments: Sequence[str], environment: Mapping[str, str]) -> WarmCli | None:
        """Return a faster way to run such commands as many do, where it makes no difference."""
        calls_server = arguments[0] in CALLING or (self.config / "sessions").exists()
        reads_documents = not READING.isdisjoint(arguments[:3])
        is_same = self.place.is_like_here and (self.by_checkout or is_checkout())
        if not ((calls_server or reads_documents) and is_same):
            return None
        warm = warm_cli(self.place.prefix, "caller" if calls_server else "reader")
        return warm if warm.suits(environment) else None

    def cli(self, *arguments: str, timeout: float = 120.0) -> str:
        """Run the command line tool; it must succeed. Answers its standard output."""
        done = self.attempt(*arguments, timeout=timeout)
        assert done.returncode == 0, (
            f"{arguments} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        )
        return done.stdout

    def json(self, *arguments: str) -> Any:
        """Run the command line tool with `-o json`; answers the one value that it prints."""
        return json.loads(self.cli("-o", "json", *arguments))

    def start(self, name: str, *arguments: str) -> Process:
        """Start a command that goes on meanwhile."""
        return Process(
            [*self.place.prefix, *program(), *arguments],
            self.folder,
            name,
            self.environment,
            caller=self._warm_cli(arguments, clean_environment(self.environment)),
        )


@dataclass
class Worker:
    """A worker process with its data folder."""

    folder: Path
    place: Place = field(default_factory=Place)
    options: tuple[str, ...] = ()
    is_warm: bool = True
    process: Process = field(init=False)
    starts: int = 0

    def __post_init__(self) -> None:
        private_folders.note(self.folder / "data/workspaces")

    def start(self, join_token: str = "") -> Worker:
        """Start it; the first time with a join token."""
        join = ["--join", join_token] if join_token else []
        self.process = Process(
            [*self.place.prefix, *program(), "worker", *join,
             "--data-dir", str(self.folder / "data"), *self.options],
            self.folder,
            "worker",
            is_warm=self.is_warm,
        )  # fmt: skip

        self.starts += 1
        self.process.wait_for("opsicle worker ready", self.starts)
        return self

    def knows(self, url: str) -> bool:
        """Return whether its identity holds this address of its server."""
        return url in json.loads((self.folder / "data/identity.json").read_text())["told_urls"]


@dataclass
class Installation:
    """A server with its admin logged in, and what is started later; all ends with the test.

    It has been set up before, with the same CA as others, and its processes begin as copies of one
    that has loaded the program, unless told that it `is_new`, or where the program or the place is
    not that of most tests.
    """

    folder: Path
    server_place: Place = field(default_factory=Place)
    user_place: Place = field(default_factory=Place)
    server_options: tuple[str, ...] = ()
    org: str = "acme"
    is_new: bool = False
    processes: list[Server | Worker] = field(default_factory=list)
    _access: Access | None = None
    _was_set_up_before: bool = False

    def __enter__(self) -> Installation:
        self.server = Server(self.folder / "server", self.server_place, self.server_options)
        self.server.is_warm = not self.is_new
        self.processes.append(self.server)
        try:
            self._begin()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _begin(self) -> None:
        self.admin = User(self.folder / "admin", "alice@example.com", self.user_place)
        if self.is_new or not (self.server_place.is_like_here and is_checkout()):
            self.server.start()
            self.server.setup(self.admin, self.org)
            self.admin.login(self.server)
            return

        folder, login = set_up(self.org)
        shutil.copytree(folder, self.server.folder / "data")
        self.server.start()
        self._was_set_up_before = True
        login = msgspec.structs.replace(login, server=self.server.url)
        SavedLogins(self.admin.config).save("default", login)

    def worker(self, name: str, place: Place | None = None, *options: str) -> Worker:
        """Enrol and start a worker."""
        return self.join(name, self.admin.json("workers", "token")["token"], place, *options)

    def join(self, name: str, token: str, place: Place | None = None, *options: str) -> Worker:
        """Enrol and start a worker with this join token."""
        worker = Worker(self.folder / name, place or Place(), ("--name", name, *options))
        worker.is_warm = not self.is_new
        self.processes.append(worker)
        return worker.start(token)

    def person(self, email: str, role: str) -> User:
        """Add somebody to the org and log them in at a terminal."""
        user = self.account(email, role)
        user.login(self.server)
        return user

    def account(self, email: str, role: str) -> User:
        """Add somebody to the org who is at no terminal yet."""
        user = User(self.folder / email.partition("@")[0], email, self.user_place)
        if self._is_called_from_here:
            with self._api() as api:
                body = {"email": email, "role": role, "password": PASSWORD}
                api.json("POST", "/api/v1/users", body)
        else:
            self.admin.cli(
                "users", "create", "--email", email, "--role", role,
                "--password-file", str(user.password_file),
            )  # fmt: skip
        return user

    def access(self, user: User | None = None) -> Access:
        """Return what a program needs to call the API as somebody; as the admin unless told."""
        token = (user or self.admin).json("tokens", "create", "--name", "test")["token"]
        return Access(self.server.url, (self.server.folder / "data/ca.pem").read_text(), token)

    def look_at(self, path: str) -> Any:
        """Return what the API answers the admin to GET, below `/api/v1/`.

        For what is asked again and again: a command each time would keep a core busy.
        """
        self._access = self._access or self.access()
        with Api(replace(self._access, url=self.server.url)) as api:
            return api.json("GET", f"/api/v1/{path}")

    def state(self, automation_id: str) -> str:
        """Return the state of an automation."""
        return str(self.look_at(f"automations/{automation_id}")["state"])

    @property
    def _is_called_from_here(self) -> bool:
        """Whether the API is called as the admin: a command takes ten times as long as a call."""
        return self._was_set_up_before and not self.server_place.prefix

    def _api(self) -> Api:
        login = SavedLogins(self.admin.config).find("default")
        assert login
        return Api(Access(self.server.url, login.ca_pem, login.token))

    def push(self, source: str) -> None:
        """Push a template."""
        if self._is_called_from_here:
            with self._api() as api:
                api.json("POST", "/api/v1/templates", {"source": source})
            return
        path = self.folder / "template.yaml"
        path.write_text(source)
        self.admin.cli("templates", "push", str(path))

    def __exit__(self, *_: object) -> None:
        """End everything, and print what it logged: pytest shows that where a test has failed."""
        for thing in reversed(self.processes):
            if hasattr(thing, "process"):
                thing.process.kill()
                print(thing.process.log())

"""A whole server in this process, but for its sockets.

Real databases, two orgs with people, clients of its API.

The listeners themselves need gevent's patches, which no test process should have; processes test
them.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

from opsicle.kit.clock import SystemClock
from opsicle.kit.ids import new_id
from opsicle.security import join_token
from opsicle.security.certificates import WorkerIdentity, make_key_and_csr
from opsicle.security.sealing import Seal
from opsicle.server.access.actor import Actor, WorkerActor
from opsicle.server.applications import Applications
from opsicle.server.approvals.binding_upgrade import binder
from opsicle.server.assembly import Services
from opsicle.server.audit.remarks import ServerRemarks
from opsicle.server.channels.egress_bounds import EgressBounds
from opsicle.server.core import Core
from opsicle.server.data_folder import DataFolder
from opsicle.server.http.app import Application
from opsicle.server.keys.binding_key_file import open_binding_key
from opsicle.server.keys.master_key_file import MasterKeyFile
from opsicle.server.keys.order_key_file import open_order_key
from opsicle.server.keys.order_keys import remember_order_key
from opsicle.server.members.orgs import create_org
from opsicle.server.store import audit_checkpoints, memberships, migrations, users
from opsicle.server.store.database import Database
from opsicle.server.store.log_database import LogDatabase
from opsicle.server.store.memberships import MemberRow
from opsicle.server.store.orgs import OrgRow
from opsicle.server.store.users import UserRow
from opsicle.wire.fleet_api import CreateJoinTokenRequest
from opsicle.wire.jobs import Work
from opsicle.wire.user_api import SetupRequest
from opsicle.wire.worker_api import Enrolment, EnrolRequest, PollRequest

PASSWORD = "correct horse battery staple"
HOST = "ops.example.com"
ORIGIN = f"https://{HOST}"
ADMINS = {"acme": "alice@example.com", "globex": "gina@example.com"}


class ShiftedClock(SystemClock):
    """The machine's clock, moved forward by whatever a test says.

    Certificates need one that is about right.
    """

    def __init__(self) -> None:
        self.shift = timedelta()

    def now(self) -> datetime:
        return super().now() + self.shift

    def monotonic(self) -> float:
        return super().monotonic() + self.shift.total_seconds()

    def elapsed(self) -> float:
        return super().elapsed() + self.shift.total_seconds()

    def advance(self, **time: float) -> None:
        self.shift += timedelta(**time)


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content) if self.content else None

    @property
    def code(self) -> str:
        """The problem's code, "" if there is none."""
        return str(self.json.get("code", "")) if isinstance(self.json, dict) else ""


@dataclass
class Client:
    """Somebody who calls the API; `headers` say who."""

    application: Application
    headers: dict[str, str] = field(default_factory=dict)
    address: str = "127.0.0.1"
    environ: dict[str, Any] = field(default_factory=dict)

    def call(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        """Call the application as the listener does. A stream is read up to its first piece."""
        answer, pieces = self._begin(method, path, body, headers)
        if "Content-Length" in answer.headers or answer.status in (204, 304):
            answer.content = b"".join(pieces)
        else:
            answer.content = next(pieces, b"")
            pieces.close() if hasattr(pieces, "close") else None
        return answer

    def stream(self, path: str) -> Iterator[bytes]:
        """Return the pieces of an answer that goes on, each made when it is asked for."""
        answer, pieces = self._begin("GET", path, None, {})
        assert answer.status == 200, b"".join(pieces)
        return pieces

    def _begin(
        self, method: str, path: str, body: object, headers: dict[str, str]
    ) -> tuple[Answer, Iterator[bytes]]:
        content = b"" if body is None else json.dumps(body).encode()
        path, _, query = path.partition("?")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "QUERY_STRING": query,
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(content)),
            "REMOTE_ADDR": self.address,
            "wsgi.url_scheme": "https",
            "wsgi.input": io.BytesIO(content),
            **self.environ,
        }

        for name, value in {"Host": HOST, **self.headers, **headers}.items():
            environ[f"HTTP_{name.upper().replace('-', '_')}"] = value

        began: list[Any] = []
        pieces = iter(
            self.application(environ, lambda status, headers: began.extend((status, headers)))
        )

        status, answered = began
        first_of_each = dict(reversed(answered))  # of a name that stands there twice
        return Answer(int(status.split()[0]), first_of_each, b""), pieces

    def get(self, path: str) -> Answer:
        return self.call("GET", path)

    def post(self, path: str, body: object = None) -> Answer:
        return self.call("POST", path, body)

    def patch(self, path: str, body: object) -> Answer:
        return self.call("PATCH", path, body)

    def delete(self, path: str) -> Answer:
        return self.call("DELETE", path)


class ApiServer:
    """The server. Alice is the admin of acme, Gina that of globex."""

    def __init__(self, folder: Path) -> None:
        self.clock = ShiftedClock()
        self.folder = DataFolder.open(folder)
        authority = self.folder.authority(self.clock.now())

        migrations.migrate(self.folder.state_database, migrations.STATE_MIGRATIONS)
        self.state = Database(self.folder.state_database, _raise)
        remarks = ServerRemarks(self.state, self.clock)
        self.logs = LogDatabase.open(
            self.folder.log_database, _raise, self.clock.now, remarks.note_lost_logs
        )

        audit_key = self.folder.audit_key(has_signed=self.state.read(audit_checkpoints.exists))
        seal = Seal(self.folder.identity_key())
        vault = MasterKeyFile(self.folder, None).open_vault(self.state)
        order_key = open_order_key(self.folder, self.state)
        binding_key = open_binding_key(self.folder, self.state, binder(self.state, self.clock))

        remember_order_key(self.state, binding_key, order_key.public, self.clock.now())

        core = Core(
            self.state,
            self.logs,
            authority,
            audit_key,
            order_key,
            binding_key,
            self.clock,
            seal,
            vault,
            remarks,
            self.folder.artifacts,
            self.folder.remove_setup_token,
            egress_bounds=EgressBounds(("127.0.0.0/8", "::1/128", "10.0.0.0/8")),
        )

        self.services = Services(core)
        self.applications = Applications(self.services, lambda: authority.cert_pem)

        self.services.urls.url = ORIGIN
        self.services.urls.worker_url = "https://ops.example.com:8444"
        self.application: Application = self.applications.for_users

    def close(self) -> None:
        self.services.dispatch.close()
        self.applications.streams.close()
        self.services.close()
        self.state.close()
        self.logs.close()
        self.folder.close()

    def setup_token(self) -> str:
        token = self.services.server_setup.token(self.services.core.authority.fingerprint)
        assert token is not None
        return token

    def set_up(self) -> None:
        """Make acme with Alice and globex with Gina."""
        self.services.server_setup.complete(
            SetupRequest(self.setup_token(), "acme", "alice@example.com", PASSWORD), "127.0.0.1"
        )
        self.found("globex", "gina@example.com")

    def found(self, code: str, email: str) -> None:
        """Make an org with its first admin.

        The admin gets the password of everybody here if the account is new.
        """
        now = self.clock.now()

        def work(db: Any) -> None:
            admin = users.find_by_email(db, email)
            if admin is None:
                hashed = self.services.hasher.hash(PASSWORD, "")
                admin = UserRow(new_id(now), email, email.partition("@")[0], hashed)
                users.insert(db, admin, now)
            create_org(db, OrgRow(new_id(now), code, code), admin, now)

        self.state.write(work)

    def client(self, token: str = "") -> Client:
        return Client(self.application, {"Authorization": f"Bearer {token}"} if token else {})

    def login(self, email: str, **more: str) -> Client:
        """Log somebody in as the command line does."""
        answer = self.client().post("/api/v1/login", {"email": email, "password": PASSWORD, **more})
        assert answer.status == 200, answer.content
        return self.client(answer.json["token"])

    def person(self, org: str, name: str, role: str) -> Client:
        """Add somebody who has no password, and begin a session of theirs."""
        now, user_id = self.clock.now(), new_id(self.clock.now())
        admin = self.actor(ADMINS[org], org)
        user = UserRow(user_id, f"{name}@example.com", name, "-")
        member = MemberRow(
            user_id, user.email, name, role, None, None, is_disabled=False, created_at=now
        )

        def work(db: Any) -> None:
            users.insert(db, user, now)
            memberships.insert(db, admin.org_id, member)

        self.state.write(work)
        return self.session(user.email)

    def server_operator(self, email: str) -> None:
        """Let somebody run the server."""

        def work(db: Any) -> None:
            account = users.find_by_email(db, email)
            assert account is not None
            users.set_server_operator(db, account.id, is_server_operator=True)

        self.state.write(work)
        self.services.sessions.invalidate()

    def session(self, email: str, org: str = "") -> Client:
        """Return a new session of somebody, in their only org or this one, without a password."""

        def work(db: Any) -> str:
            user = users.find_by_email(db, email)
            assert user is not None
            (place,) = (
                each for each in memberships.list_of_user(db, user.id) if org in ("", each.org_code)
            )
            return self.services.sessions.begin(db, (place.org_id, user.id), "cli", "127.0.0.1")[0]

        return self.client(self.state.write(work))

    def actor(self, email: str, org: str = "") -> Actor:
        """Return the same for calls past the API."""
        token = self.session(email, org).headers["Authorization"].removeprefix("Bearer ")
        return self.services.sessions.authenticate(token, "127.0.0.1", "token")

    def join_request(
        self, org: str = "acme", name: str = "web", **changes: Any
    ) -> tuple[EnrolRequest, Any]:
        """Return what a worker sends that was given a new join token, and that token.

        `org` provider: for a shared one.
        """
        asked = CreateJoinTokenRequest(is_shared=org == "provider")
        made = self.services.join_tokens.create(self.actor(ADMINS.get(org, ADMINS["acme"])), asked)
        token = join_token.parse(made.token)
        facts: dict[str, Any] = {
            "csr_pem": make_key_and_csr()[1],
            "labels": {"site": "ams"},
            "slots": 2,
        } | changes
        return join_token.make_request(token, name=name, **facts), token

    def worker(self, org: str = "acme", name: str = "web") -> Enrolment:
        """Enrol a worker."""
        request, token = self.join_request(org, name)
        return join_token.open_reply(
            token, request, self.services.enrolments.enrol(request, "10.0.0.1")
        )

    def poll(
        self, worker: Enrolment, org: str = "acme", slots: int = 1
    ) -> tuple[WorkerActor, tuple[Work, ...]]:
        """Let a worker ask for as much work as it has slots; who it is, and what it gets."""
        identity = WorkerIdentity(org, worker.worker_id, "1")
        actor = self.services.workers.authenticate(identity, "10.0.0.1")
        request = PollRequest(
            boot_id="b",
            program_version="1",
            labels={},
            slots=slots,
            free_slots=slots,
            runtimes=("subprocess",),
            wait_seconds=0,
        )
        return actor, self.services.dispatch.poll(actor, request).work


def _raise(error: BaseException) -> None:
    raise error

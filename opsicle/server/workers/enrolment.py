"""How a worker gets its identity: a join token, one enrolment, and renewals ever after.

What the worker claims to be decides nothing: org, id and name are the server's choice, the
certificate says only those.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from opsicle.domain import stored_json
from opsicle.domain.access import Action
from opsicle.domain.clocks import is_off, offset_of, offset_text, time_text
from opsicle.domain.errors import (
    ClockOff,
    Conflict,
    NotAllowed,
    NotAuthenticated,
    OpsicleError,
)
from opsicle.kit.clock import Clock
from opsicle.kit.ids import new_id
from opsicle.security import certificates, join_token
from opsicle.security.authority import Authority, IssuedCertificate
from opsicle.security.certificates import WorkerPublicKey, load_csr
from opsicle.security.order_key import OrderPublicKey
from opsicle.server.access.actor import AnonymousActor, WorkerActor
from opsicle.server.access.member_actors import member_actor
from opsicle.server.access.validators import SHARED_SCOPE
from opsicle.server.identity.login_throttle import LoginThrottle
from opsicle.server.public_urls import Urls
from opsicle.server.store import audit, join_tokens, workers
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.join_tokens import JoinTokenRow
from opsicle.server.store.workers import NewWorker, WorkerRow
from opsicle.server.workers.worker_facts import check_facts
from opsicle.wire.worker_api import (
    Enrolment,
    EnrolReply,
    EnrolRequest,
    RenewReply,
    RenewRequest,
    WorkerAddress,
)

_NOT_IN_A_NAME = re.compile(r"[^a-z0-9.-]+")
_NAME_LENGTH = 60


class Enrolments:
    """Hands out identities to workers."""

    def __init__(
        self,
        database: Database,
        authority: Authority,
        order_key: OrderPublicKey,
        urls: Urls,
        throttle: LoginThrottle,
        clock: Clock,
    ) -> None:
        self._database = database
        self._authority = authority
        self._order_key = order_key
        self._urls = urls
        self._throttle = throttle
        self._clock = clock

    def worker_address(self) -> WorkerAddress:
        """Return where workers connect, and by which CA they know this server."""
        return WorkerAddress(
            worker_url=self._urls.worker_url,
            ca_fingerprint=certificates.fingerprint(self._authority.cert_pem),
        )

    def enrol(self, request: EnrolRequest, address: str) -> EnrolReply:
        """Give a worker that knows a join token's secret its identity.

        A token works once, or as often as it says.

        Raises NotAuthenticated for a token that is unknown or over and for a wrong proof, Conflict
        for one that has been used, InvalidInput for a request that cannot be met. Every refusal
        stands in the record.
        """
        self._throttle.check_address(address)
        anonymous = AnonymousActor(request.name[:64], address)
        token = self._database.read(lambda db: join_tokens.find(db, request.token_id))

        try:
            if token is None:
                raise NotAuthenticated(
                    "the join token is unknown", hint="Make a new one with `opsicle workers token`."
                )
            join_token.check_request(token.key, request)
            public_key = load_csr(request.csr_pem)
            check_facts(request.labels, request.slots)
            self._check_clock(request)

            enrolment = self._database.write(
                lambda db: self._enrol(db, request, public_key, anonymous)
            )
        except OpsicleError as error:
            self._record_refusal(request, token, anonymous, error)
            raise

        return join_token.make_reply(token.key, request, enrolment)

    def _check_clock(self, request: EnrolRequest) -> None:
        """Raise ClockOff, before the token is spent, for a worker whose clock is too far off."""
        now = self._clock.now()
        offset = offset_of(request.sent_at_ms, now) if request.sent_at_ms is not None else 0.0
        if is_off(offset):
            raise ClockOff(
                f"this machine's clock is {offset_text(offset)} the server's: it says "
                f"{time_text(now + timedelta(seconds=offset))}, and the server {time_text(now)}",
                hint="Set the clock that is wrong, and start the worker again. "
                "The join token was not used up: it can still be used, until its time is over.",
            )

    def _enrol(
        self,
        db: Connection,
        request: EnrolRequest,
        public_key: WorkerPublicKey,
        anonymous: AnonymousActor,
    ) -> Enrolment:
        """Spend the token and record the worker, or neither.

        The certificate is signed only for the one that does.
        """
        now = self._clock.now()
        token = _usable_token(db, request.token_id, now)
        if known := _enrolled_before(db, token, public_key):
            certificate = self._again(db, known, public_key, anonymous)
            return self._enrolment(token, known.id, known.name, certificate)
        if token.used_at is not None:
            raise _already_used()

        worker_id = new_id(now)
        name = _free_name(db, _record(token), request.name)
        certificate = self._authority.issue_worker(public_key, _scope(token), worker_id, now)
        new = _new_worker(token, worker_id, name, request, certificate, public_key)
        workers.insert(db, new, now)
        if not join_tokens.use(db, token.id, worker_id, now):
            raise _already_used()

        data: dict[str, object] = {
            "name": name,
            "join_token": token.id,
            "serial": certificate.serial,
            "labels": _granted(token, request),
            **({"is_ephemeral": True} if request.is_ephemeral else {}),
            **({"use": f"{token.uses + 1} of {token.max_uses}"} if token.max_uses > 1 else {}),
        }
        audit.append(db, now, _record(token), anonymous, "enrol", f"workers/{worker_id}", data)
        return self._enrolment(token, worker_id, name, certificate)

    def _again(
        self,
        db: Connection,
        known: WorkerRow,
        public_key: WorkerPublicKey,
        anonymous: AnonymousActor,
    ) -> IssuedCertificate:
        """Return a certificate for a worker that asks again, since the answer to it was lost."""
        now = self._clock.now()
        scope = SHARED_SCOPE if known.is_shared else known.org_code
        certificate = self._authority.issue_worker(public_key, scope, known.id, now)
        if not workers.renew(db, known.id, certificate.serial, certificate.not_after):
            raise NotAuthenticated("this worker was revoked", hint="Start it anew.")

        record = None if known.is_shared else known.org_id
        data = {"name": known.name, "serial": certificate.serial}
        audit.append(db, now, record, anonymous, "enrol_again", f"workers/{known.id}", data)
        return certificate

    def _enrolment(
        self, token: JoinTokenRow, worker_id: str, name: str, certificate: IssuedCertificate
    ) -> Enrolment:
        return Enrolment(
            worker_id=worker_id,
            org=_scope(token),
            org_id="" if token.is_shared else token.org_id,
            name=name,
            certificate_pem=certificate.pem,
            ca_pem=self._authority.cert_pem,
            order_key_pem=self._order_key.pem,
            worker_url=self._urls.worker_url,
            request_digest="",
            is_shared=token.is_shared,
            server_urls=self._urls.for_workers,
        )

    def _record_refusal(
        self,
        request: EnrolRequest,
        token: JoinTokenRow | None,
        anonymous: AnonymousActor,
        error: OpsicleError,
    ) -> None:
        org_id = _record(token) if token else None
        resource = f"join_tokens/{token.id if token else request.token_id[:64]}"
        data = {"code": error.code, "reason": error.message}

        def work(db: Connection) -> None:
            if not isinstance(
                error, ClockOff
            ):  # who has a wrong clock has proven to know the token
                self._throttle.note_refusal(db, anonymous.address)
            audit.append(db, self._clock.now(), org_id, anonymous, "refuse_enrol", resource, data)

        self._database.write(work)

    def renew(self, worker: WorkerActor, request: RenewRequest) -> RenewReply:
        """Return a new certificate for the same worker.

        The old one stays good until its own end, should this be lost.

        Raises InvalidInput for a bad request, NotAuthenticated if the worker has been revoked
        meanwhile.
        """
        public_key = load_csr(request.csr_pem)
        now = self._clock.now()

        def work(db: Connection) -> IssuedCertificate:
            row = workers.get(db, worker.record, worker.worker_id)
            scope = SHARED_SCOPE if row.is_shared else row.org_code
            certificate = self._authority.issue_worker(public_key, scope, worker.worker_id, now)
            if not workers.renew(db, worker.worker_id, certificate.serial, certificate.not_after):
                raise NotAuthenticated(
                    "this worker was revoked", hint="Enrol it again with a new join token."
                )

            data = {"serial": certificate.serial}
            audit.append(
                db, now, worker.record, worker, "renew", f"workers/{worker.worker_id}", data
            )
            return certificate

        return RenewReply(
            certificate_pem=self._database.write(work).pem, ca_pem=self._authority.cert_pem
        )


def _granted(token: JoinTokenRow, request: EnrolRequest) -> dict[str, str]:
    """Return the labels that count from now on.

    They are the token's, or else those with which the worker enrols.
    """
    return (
        request.labels
        if token.labels is None
        else stored_json.read(token.labels, dict[str, str], "the join token")
    )


def _new_worker(
    token: JoinTokenRow,
    worker_id: str,
    name: str,
    request: EnrolRequest,
    certificate: IssuedCertificate,
    public_key: WorkerPublicKey,
) -> NewWorker:
    return NewWorker(
        id=worker_id,
        org_id=token.org_id,
        name=name,
        labels=request.labels,
        granted_labels=_granted(token, request),
        slots=request.slots,
        certificate_serial=certificate.serial,
        certificate_expires_at=certificate.not_after,
        is_shared=token.is_shared,
        is_ephemeral=request.is_ephemeral,
        join_token_id=token.id if token.max_uses > 1 else None,
        enrolled_key=certificates.key_digest(public_key) if token.max_uses > 1 else None,
    )


def _usable_token(db: Connection, token_id: str, now: datetime) -> JoinTokenRow:
    """Return the token, unless its time is over. Whether it was used is another question.

    Raises NotAuthenticated.
    """
    token = join_tokens.find(db, token_id)
    if token is None or now >= token.expires_at:
        raise NotAuthenticated(
            "the time of this join token is over",
            hint="Make a new one with `opsicle workers token`.",
        )
    if token.revoked_at is not None:
        raise NotAuthenticated("this join token was revoked", hint="Ask for another.")
    _check_maker(db, token)
    return token


def _check_maker(db: Connection, token: JoinTokenRow) -> None:
    """Raise NotAuthenticated for a token whose maker could not make it now.

    One for a single worker lives a day at most, and is the org's.
    """
    if token.is_shared:
        may, what = token.is_maker_server_operator, "no longer runs the server"
    elif token.max_uses > 1:
        may, what = _may_manage_workers(db, token), "may no longer manage this org's workers"
    else:
        return
    if not may:
        raise NotAuthenticated(f"whoever made this join token {what}", hint="Ask for another.")


def _may_manage_workers(db: Connection, token: JoinTokenRow) -> bool:
    try:
        return member_actor(db, token.org_id, token.created_by, "worker").may(Action.WORKERS_MANAGE)
    except NotAllowed:
        return False


def _enrolled_before(
    db: Connection, token: JoinTokenRow, public_key: WorkerPublicKey
) -> WorkerRow | None:
    """Return the worker that has enrolled by this token with this key, of a token for many."""
    if token.max_uses == 1:
        return None
    return workers.find_enrolled(db, token.id, certificates.key_digest(public_key))


def _free_name(db: Connection, org_id: str | None, wanted: str) -> str:
    """Return a worker's wanted name in our form, with a number if it is taken."""
    base = _NOT_IN_A_NAME.sub("-", wanted.lower())[:_NAME_LENGTH].strip("-.") or "worker"
    name, number = base, 1
    while workers.is_name_taken(db, org_id, name):
        number += 1
        name = f"{base}-{number}"
    return name


def _already_used() -> Conflict:
    return Conflict(
        "this join token has been used already as often as it may be",
        hint="Make a new one with `opsicle workers token`.",
    )


def _scope(token: JoinTokenRow) -> str:
    """Return what the certificate says in the place of the org."""
    return SHARED_SCOPE if token.is_shared else token.org_code


def _record(token: JoinTokenRow) -> str | None:
    """Return the org in whose record the enrolment stands; None for the server's."""
    return None if token.is_shared else token.org_id

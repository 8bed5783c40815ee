"""Who this worker is: obtained once for a join token, and kept from expiring."""

from __future__ import annotations

import logging
import random
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from opsicle.domain.errors import ClockOff, Conflict, NotAuthenticated, OpsicleError, Unreachable
from opsicle.kit.backoff import Backoff
from opsicle.security import join_token
from opsicle.worker import signing
from opsicle.worker.connection import ServerConnection
from opsicle.worker.identity import Identity, WorkerDataFolder, has_expired, token_digest
from opsicle.worker.server_addresses import with_first
from opsicle.worker.signing import EnrolQuestion, LocateQuestion, RenewQuestion
from opsicle.worker.tls import is_server_there

log = logging.getLogger(__name__)

_RENEWAL_RETRY_SECONDS = 60.0

_RENEWAL_PAUSE_SECONDS = 3600.0
"""Between two renewals at least: a clock that is days ahead would take each new certificate for
half over."""

_LOCATE_PAUSE_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class EnrolmentInfo:
    """What a worker says of itself when it enrols, and the `server_urls` to try in turn."""

    join: str = ""
    name: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    slots: int = 4
    is_ephemeral: bool = False
    server_urls: tuple[str, ...] = ()


def require_way_in(folder: WorkerDataFolder, join: str) -> None:
    """Look, before anything is made in the folder, for a join token that is whole or an identity.

    Raises InvalidInput for a damaged token, NotAuthenticated with neither.
    """
    if join:
        join_token.parse(join)
    elif folder.load_identity() is None:
        raise _no_worker_yet(folder)


def obtain_identity(folder: WorkerDataFolder, introduction: EnrolmentInfo) -> Identity:
    """Return the identity in the data folder, or a new one for the join token.

    A token that is not needed is not used up: it says where the server is now. Raises Conflict if
    the folder belongs to a worker of another server, NotAuthenticated without a usable identity or
    token, and what `enrolment.enrol` raises.
    """
    identity = folder.load_identity()
    if identity is None:
        identity = _enrolled(folder, introduction)
        introduction = replace(introduction, join="")
    elif introduction.join and (has_expired(identity) or not identity.order_key_pem):
        identity = _enrolled_anew(folder, introduction, identity)
    if not identity.order_key_pem:
        raise NotAuthenticated(
            "this worker enrolled with an older version, "
            "and could not tell its server's orders from forged ones",
            hint="Enrol it again: start it with `--join`, "
            "and a new token of `opsicle workers token`.",
        )

    if identity.is_ephemeral != introduction.is_ephemeral:
        kind = "an ephemeral worker" if identity.is_ephemeral else "a worker that stays"
        raise Conflict(
            f"this data folder belongs to {kind}",
            hint="Start it as it enrolled (with or without --ephemeral), or use another folder.",
        )
    return _moved(identity, introduction)


def _enrolled(folder: WorkerDataFolder, introduction: EnrolmentInfo) -> Identity:
    """Return a new identity for the join token."""
    if not introduction.join:
        raise _no_worker_yet(folder)

    folder.check_disk_space()
    question = EnrolQuestion(
        token=introduction.join,
        name=introduction.name,
        labels=introduction.labels,
        slots=introduction.slots,
        is_ephemeral=introduction.is_ephemeral,
    )
    identity = signing.ask(question)
    folder.save_identity(identity)
    log.info(
        "enrolled",
        extra={"worker": identity.name, "org": identity.org, "worker_id": identity.worker_id},
    )
    return identity


def _no_worker_yet(folder: WorkerDataFolder) -> NotAuthenticated:
    return NotAuthenticated(
        f"{folder.path} holds no worker yet",
        hint="Enrol with `--join`, and a token of `opsicle workers token`.",
    )


def _enrolled_anew(
    folder: WorkerDataFolder, introduction: EnrolmentInfo, old: Identity
) -> Identity:
    """Return a new identity for one of no more use, or the old one if only the clock is off.

    A clock that is ahead makes a good certificate look expired. Then the server refuses, or the
    token is the one with which the worker has enrolled before: it goes on as it is, and waits for
    its clock to become right, or for a server that is away.
    """
    try:
        return _enrolled(folder, introduction)
    except (ClockOff, Unreachable) as error:
        log.warning("not enrolled anew", extra={"reason": error.message, "hint": error.hint})
    except Conflict:
        if token_digest(introduction.join) != old.joined_with:
            raise
    return old


def _moved(identity: Identity, introduction: EnrolmentInfo) -> Identity:
    """Return the identity with the addresses from options and token before those it knew."""
    urls: list[str] = []
    if introduction.join:
        urls += _url_of_token(introduction.join, identity)
    for url in introduction.server_urls:
        urls += signing.locate(LocateQuestion(url=url, ca_pem=identity.ca_pem)) or [url]
    return with_first(identity, urls)


def _url_of_token(token_text: str, identity: Identity) -> list[str]:
    """Return where the token's server takes workers now, if that is this worker's server.

    The token is not used up.

    While the token's server is away, and this worker's cannot be reached where it was either, it
    waits and asks again. Raises Conflict for a token of another server.
    """
    if token_digest(token_text) == identity.joined_with:
        log.info(
            "already enrolled with this join token: it is ignored", extra={"worker": identity.name}
        )
        return []

    question = LocateQuestion(
        token=token_text, joined_url=identity.joined_url, ca_pem=identity.ca_pem
    )
    backoff = Backoff(shortest=_LOCATE_PAUSE_SECONDS)

    while True:
        try:
            urls = signing.locate(question)
            break
        except Unreachable as away:
            if is_server_there(identity):
                log.warning(
                    "the join token is of no use now: the server is where it was",
                    extra={"why": away.message},
                )
                return []
            log.warning("asking again where the server is", extra={"reason": away.message})
            time.sleep(backoff.next_delay())

    log.info(
        "already enrolled: the join token is not used up, it only tells where the server is",
        extra={"worker": identity.name, "url": urls[0] if urls else "not known"},
    )
    return urls


class Renewal:
    """Knows when this worker's certificate is to be renewed, and does it.

    At half its lifetime, give or take a tenth.
    """

    def __init__(
        self, folder: WorkerDataFolder, connection: ServerConnection, identity: Identity
    ) -> None:
        self._folder = folder
        self._connection = connection
        self._plan(identity)

    def turn(self) -> None:
        """Renew if it is time.

        A failure is logged and tried again in a minute: there are days left.
        """
        if not self._is_due():
            return

        try:
            renewed = signing.ask(RenewQuestion(folder=str(self._folder.path.absolute())))
            self._folder.save_identity(renewed)
            self._connection.use(renewed)
        except OpsicleError as error:
            self._next_try = time.monotonic() + _RENEWAL_RETRY_SECONDS
            log.warning("the certificate could not be renewed", extra={"reason": error.message})
        else:
            self._plan(renewed)
            self._next_try = time.monotonic() + _RENEWAL_PAUSE_SECONDS
            log.info("certificate renewed", extra={"expires_at": renewed.expires_at})

    def _plan(self, identity: Identity) -> None:
        """Return whether it is time, by both clocks.

        One may be set wrong, the other does not run while the machine sleeps.
        """
        self._identity = identity
        lifetime = identity.expires_at - identity.issued_at
        # So that workers that were enrolled at once do not all renew at once.
        wait = lifetime * random.uniform(0.4, 0.6)  # noqa: S311
        self._due_at = identity.issued_at + wait
        self._due_in = time.monotonic() + wait.total_seconds()
        self._next_try = 0.0

    def _is_due(self) -> bool:
        now = time.monotonic()
        return now >= self._next_try and (now >= self._due_in or datetime.now(UTC) >= self._due_at)

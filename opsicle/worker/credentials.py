"""Who this worker is: obtained once for a join token, and kept from expiring."""

from __future__ import annotations

import logging
import random
import time
from datetime import UTC, datetime

from opsicle.domain.errors import Conflict, NotAuthenticated, OpsicleError
from opsicle.worker import signing
from opsicle.worker.connection import Connection
from opsicle.worker.enrolment import token_digest
from opsicle.worker.identity import DataFolder, Identity, has_expired
from opsicle.worker.signing import EnrolQuestion, RenewQuestion

log = logging.getLogger(__name__)

_RENEWAL_RETRY_SECONDS = 60.0


def obtain_identity(folder: DataFolder, token_text: str, name: str, labels: dict[str, str], slots: int) -> Identity:
    """The identity in the data folder, or a new one for the join token if there is none or it is of no use any more.

    Raises Conflict if the folder belongs to a worker of another server, NotAuthenticated without a usable identity
    or token, and what `enrolment.enrol` raises.
    """
    identity = folder.load_identity()
    is_useless = identity is not None and (has_expired(identity) or not identity.order_key_pem)
    if identity and not (token_text and is_useless):
        if not identity.order_key_pem:
            raise NotAuthenticated(
                "this worker enrolled with an older version, and could not tell its server's orders from forged ones",
                hint="Enrol it again: start it with `--join`, and a new token of `opsicle workers token`.",
            )
        if token_text:
            _ignore(token_text, identity)
        return identity
    if not token_text:
        raise NotAuthenticated(
            f"{folder.path} holds no worker yet", hint="Enrol with `--join`, and a token of `opsicle workers token`."
        )
    folder.check_room()
    identity = signing.ask(EnrolQuestion(token=token_text, name=name, labels=labels, slots=slots))
    folder.save_identity(identity)
    log.info("enrolled", extra={"worker": identity.name, "org": identity.org, "worker_id": identity.worker_id})
    return identity


class Renewal:
    """Knows when this worker's certificate is to be renewed, and does it: at half its life, give or take a tenth."""

    def __init__(self, folder: DataFolder, connection: Connection, identity: Identity) -> None:
        self._folder = folder
        self._connection = connection
        self._plan(identity)

    def turn(self) -> None:
        """Renew if it is time. A failure is logged and tried again in a minute: there are days left."""
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
            log.info("certificate renewed", extra={"expires_at": renewed.expires_at})

    def _plan(self, identity: Identity) -> None:
        """By both clocks: the one may be set wrong, the other does not run while the machine sleeps."""
        self._identity = identity
        life = identity.expires_at - identity.issued_at
        wait = life * random.uniform(0.4, 0.6)  # noqa: S311 - so that a fleet enrolled at once does not renew at once
        self._due_at = identity.issued_at + wait
        self._due_in = time.monotonic() + wait.total_seconds()
        self._next_try = 0.0

    def _is_due(self) -> bool:
        now = time.monotonic()
        return now >= self._next_try and (now >= self._due_in or datetime.now(UTC) >= self._due_at)


def _ignore(token_text: str, identity: Identity) -> None:
    """A token for a folder that has an identity: ignored, unless it is for another server."""
    if token_digest(token_text) == identity.joined_with:
        log.debug("already enrolled: the join token is ignored")
        return
    from opsicle.pki import join_token

    url = join_token.parse(token_text).url
    if url != identity.joined_url:
        raise Conflict(
            f"this data folder belongs to a worker of {identity.joined_url}, and the join token is for {url}",
            hint="Use another data folder.",
        )
    log.info("already enrolled: the join token is ignored", extra={"worker": identity.name})

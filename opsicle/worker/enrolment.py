"""Becoming a worker of a server, and staying one.

The first certificate for a join token, the next ones for the old.

What protects the enrolment is the token's secret, which both sides prove and neither sends (see
`security/join_token.py`). So the connection is taken as it is, and nothing of the answer is
believed before its proof has been checked. What is here runs in a process of its own (see
signing.py).
"""

from __future__ import annotations

import http.client
import ssl
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from opsicle.domain.errors import (
    ClockOff,
    Conflict,
    Internal,
    NotAuthenticated,
    OpsicleError,
    Unreachable,
)
from opsicle.kit.backoff import Backoff
from opsicle.wire.endpoints import enrol as endpoints
from opsicle.wire.problems import error_of
from opsicle.wire.worker_api import (
    Enrolment,
    EnrolReply,
    EnrolRequest,
    RenewReply,
    RenewRequest,
    WorkerAddress,
)
from opsicle.worker.connection import ServerConnection, reason_of
from opsicle.worker.identity import Identity, token_digest
from opsicle.worker.server_addresses import usable_urls

if TYPE_CHECKING:
    from opsicle.security.join_token import JoinToken

_TIMEOUT_SECONDS = 30
_LOCATE_SECONDS = 5
"""A worker that has an identity does not wait long to be told of a better address."""
_AWAY = frozenset(
    {
        http.client.TOO_MANY_REQUESTS,
        http.client.BAD_GATEWAY,
        http.client.SERVICE_UNAVAILABLE,
        http.client.GATEWAY_TIMEOUT,
    }
)
"""What a server that is busy or stopping answers, or a proxy whose server is away."""

_MAX_REPLY_BYTES = 256 * 1024
_TRIES = 4
"""How often a request is sent whose answer was lost; it is the same one, so at most one of them
counts."""


def enrol(
    token_text: str, name: str, labels: dict[str, str], slots: int, *, is_ephemeral: bool = False
) -> Identity:
    """Exchange a join token for an identity; the private key is made here and never leaves.

    Raises InvalidInput for a damaged token, NotAuthenticated for one that is spent or when somebody
    else answers, Unreachable if there is no answer.
    """
    from opsicle.security import certificates, join_token
    from opsicle.security.authority import SERVER_NAME

    token = join_token.parse(token_text)
    key_pem, csr_pem = certificates.make_key_and_csr()
    request = join_token.make_request(
        token, csr_pem, name, labels, slots, is_ephemeral=is_ephemeral
    )
    enrolment = join_token.open_reply(token, request, _ask(token, request))
    identity = _identity(enrolment, token_text, token.url, SERVER_NAME)
    return _with_certificate(
        msgspec.structs.replace(identity, is_ephemeral=is_ephemeral),
        key_pem,
        enrolment.certificate_pem,
        enrolment.ca_pem,
    )


def renew(connection: ServerConnection, identity: Identity) -> Identity:
    """Return a new key and a certificate for it, asked for over the old one.

    Raises what the call raises.
    """
    from opsicle.security import certificates

    key_pem, csr_pem = certificates.make_key_and_csr()
    reply = connection.call(endpoints.RENEW_CERTIFICATE.path, RenewRequest(csr_pem), RenewReply)
    return _with_certificate(identity, key_pem, reply.certificate_pem, reply.ca_pem)


def locate(token_text: str, url: str, joined_url: str, ca_pem: str) -> list[str]:
    """Ask the server at `url`, or at the token's address, where it takes workers.

    [] if it does not say.

    What it says is only tried: TLS shows whether the server there is the one with this CA. Raises
    Conflict when the token's server is another one than that at `joined_url`, where this worker
    enrolled, Unreachable while nobody can know because it is away, and InvalidInput for a damaged
    token.
    """
    from opsicle.security import certificates, join_token

    asked = join_token.parse(token_text).url if token_text else url
    is_known = asked in {url, joined_url}
    try:
        status, content = _exchange(asked, "GET", None, _LOCATE_SECONDS)
        if status in _AWAY and not is_known:
            raise Unreachable(
                f"what answers at {asked} says that the server is away (status {status})"
            )
        place = (
            msgspec.json.decode(content, type=WorkerAddress) if status == http.client.OK else None
        )
    except (Unreachable, _AnswerLost) as error:
        if not is_known:
            raise Unreachable(
                f"the server at {asked} cannot be asked whether it is this worker's: {error}"
            ) from error
        place = None
    except msgspec.DecodeError:
        place = None
    is_own = place.ca_fingerprint == certificates.fingerprint(ca_pem) if place else is_known
    if not is_own:
        raise Conflict(
            f"this data folder belongs to a worker of {joined_url or 'a server with another CA'}, "
            f"and {asked} is not known to be that server",
            hint="Use another data folder, or start it without that token or address.",
        )
    return [place.worker_url] if place else []


def _identity(enrolment: Enrolment, token_text: str, joined_url: str, server_name: str) -> Identity:
    """Return what the enrolment says, without the certificate.

    Raises InvalidInput without a usable key for orders.
    """
    from opsicle.security.order_key import OrderPublicKey

    never = datetime.fromtimestamp(0, UTC)
    return Identity(
        worker_id=enrolment.worker_id,
        org=enrolment.org,
        org_id=enrolment.org_id,
        order_key_pem=OrderPublicKey.load(enrolment.order_key_pem).pem,
        name=enrolment.name,
        worker_url=enrolment.worker_url,
        told_urls=usable_urls(enrolment.server_urls),
        joined_url=joined_url,
        joined_with=token_digest(token_text),
        server_name=server_name,
        key_pem="",
        certificate_pem="",
        ca_pem="",
        issued_at=never,
        expires_at=never,
        is_shared=enrolment.is_shared,
    )


def _with_certificate(
    identity: Identity, key_pem: str, certificate_pem: str, ca_pem: str
) -> Identity:
    """Return the identity with a certificate that belongs to the key.

    Raises InvalidInput otherwise.

    Whether it is valid now is not asked: the server has just made it, so that only this machine's
    clock could say no, and what the server has spent a token on must not be thrown away for that.
    """
    from opsicle.security import certificates

    certificate = certificates.load_certificate(certificate_pem)
    certificates.check_pair(certificate_pem, key_pem, certificate.not_valid_before_utc)
    return msgspec.structs.replace(
        identity,
        key_pem=key_pem,
        certificate_pem=certificate_pem,
        ca_pem=ca_pem,
        issued_at=certificate.not_valid_before_utc,
        expires_at=certificate.not_valid_after_utc,
    )


def _ask(token: JoinToken, request: EnrolRequest) -> EnrolReply:
    """Send the request until there is an answer to it."""
    was_lost = False
    backoff = Backoff(longest=2.0)

    for is_last in (False,) * (_TRIES - 1) + (True,):
        try:
            request.sent_at_ms = time.time_ns() // 1_000_000
            status, content = _exchange(token.url, "POST", msgspec.json.encode(request))
        except _AnswerLost as lost:
            was_lost = True
            if is_last:
                raise _token_used(
                    f"the server at {token.url} was asked, but its answer was lost: {lost}"
                ) from lost
            time.sleep(backoff.next_delay())
            continue

        if status == http.client.OK:
            return _decoded(content)

        problem = error_of(status, content)
        is_refusal = isinstance(problem, NotAuthenticated | Conflict)
        if was_lost and is_refusal and not isinstance(problem, ClockOff):
            raise _token_used(
                "the server has used up the join token, but its answer was lost"
            ) from problem
        raise problem

    raise Internal("unreachable")


class _AnswerLost(Exception):
    """The request may have reached the server; what became of it is not known."""


def _exchange(
    url: str, method: str, body: bytes | None, seconds: float = _TIMEOUT_SECONDS
) -> tuple[int, bytes]:
    """Make one request. Returns the status and the content of the answer.

    Raises Unreachable if it was certainly not sent, `_AnswerLost` if nobody knows.
    """
    parts = urlsplit(url)
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(
            parts.hostname or "", parts.port, timeout=seconds, context=_any_certificate()
        )
    else:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=seconds)

    try:
        try:
            connection.connect()
        except OSError as error:
            raise Unreachable(
                f"the server at {url} cannot be reached: {reason_of(error)}",
                hint="The join token names this address. "
                "Nothing was sent; the token can still be used.",
            ) from error
        try:
            connection.request(
                method, parts.path.rstrip("/") + endpoints.ENROL.path, body, _HEADERS
            )
            response = connection.getresponse()
            return response.status, response.read(_MAX_REPLY_BYTES)
        except (http.client.HTTPException, OSError) as error:
            raise _AnswerLost(reason_of(error)) from error
    finally:
        connection.close()


_HEADERS = {"Content-Type": "application/json", "User-Agent": "opsicle-worker"}


def _any_certificate() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _decoded(content: bytes) -> EnrolReply:
    try:
        return msgspec.json.decode(content, type=EnrolReply)
    except msgspec.DecodeError as error:
        raise NotAuthenticated(
            "what answers at the join token's address is not an Opsicle server",
            hint="Nothing was trusted or stored. Is there a proxy in between?",
        ) from error


def _token_used(message: str) -> OpsicleError:
    return Unreachable(
        message,
        hint="Take the join token for used up, and make a new one with `opsicle workers token`. "
        "If `opsicle workers list` shows a worker that never connected, revoke it.",
    )

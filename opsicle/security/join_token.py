"""The join token, and the two proofs of enrolment.

The worker knows the secret, and so does the server that answers.

    admin    new(url).text ──────► worker
             stored_key(secret) ─► database
    worker   make_request(…)  ───► check_request(key, request)
             open_reply(…)    ◄─── make_reply(key, request, enrolment)

A person copies the token to the worker. The secret travels no other way: requests and answers carry
an HMAC over all that they say, and never the secret. The answer's proof covers the digest of the
request that it answers, so an answer belongs to one request of one token and to no other. Request
and answer are proven with different keys, so neither can be played back as the other. So enrolment
is safe through any proxy, any certificate and none.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import msgspec

from opsicle.domain.errors import InvalidInput, NotAuthenticated
from opsicle.security import token_encoding
from opsicle.wire.worker_api import Enrolment, EnrolReply, EnrolRequest

PREFIX = "opsj1"
_WHAT = "join token"
_SECRET_BYTES = 32
_MAX_URL_LENGTH = 2048


@dataclass(frozen=True)
class JoinToken:
    """Where to enrol, which token this is, and the 256-bit secret that proves it."""

    url: str
    token_id: str
    secret: bytes = field(repr=False)

    @property
    def text(self) -> str:
        """The one line that a person copies to the worker."""
        token_id = self.token_id.encode()
        return token_encoding.encode(
            PREFIX, self.secret + bytes([len(token_id)]) + token_id + self.url.encode()
        )


def new(url: str) -> JoinToken:
    """Return a fresh token for the server at `url`.

    Raises InvalidInput unless that is an http(s) URL.
    """
    _check_url(url)
    return JoinToken(
        url=url, token_id=secrets.token_hex(8), secret=secrets.token_bytes(_SECRET_BYTES)
    )


def parse(text: str) -> JoinToken:
    """Return the token in a text that a person gave.

    Raises InvalidInput if it is damaged or something else.
    """
    payload = token_encoding.decode(PREFIX, text, _WHAT)
    secret, rest = payload[:_SECRET_BYTES], payload[_SECRET_BYTES:]
    id_length = rest[0] if rest else 0

    try:
        token_id, url = rest[1 : 1 + id_length].decode("ascii"), rest[1 + id_length :].decode()
    except UnicodeDecodeError as error:
        raise token_encoding.damaged(_WHAT) from error

    if not token_id:
        raise token_encoding.damaged(_WHAT)

    _check_url(url)
    return JoinToken(url=url, token_id=token_id, secret=secret)


def stored_key(secret: bytes) -> bytes:
    """Return what the server keeps instead of the secret; the token's text cannot be made from it.

    Whoever steals the database while the token is alive (15 minutes, one use) holds this key. It is
    enough to enrol one worker of their own before the right one does, and to answer that worker in
    the server's place. Such a thief has read every other secret of the server too. After the
    token's use or end the key is worth nothing.
    """
    return _derive(secret, b"opsicle join token: stored key")


def make_request(
    token: JoinToken,
    csr_pem: str,
    name: str,
    labels: Mapping[str, str],
    slots: int,
    *,
    is_ephemeral: bool = False,
) -> EnrolRequest:
    """Return the worker's request, with its proof."""
    request = EnrolRequest(
        token_id=token.token_id,
        csr_pem=csr_pem,
        name=name,
        labels=dict(labels),
        slots=slots,
        mac="",
        is_ephemeral=is_ephemeral,
    )
    request.mac = _request_mac(stored_key(token.secret), request)
    return request


def check_request(key: bytes, request: EnrolRequest) -> None:
    """Raise NotAuthenticated unless this request was made with the secret behind `key`."""
    if not _is_same(_request_mac(key, request), request.mac):
        raise NotAuthenticated(
            "the join token does not fit the request",
            hint="Make a new token with `opsicle workers token`.",
        )


def request_digest(request: EnrolRequest) -> str:
    """Hex SHA-256 over all that the request says. It goes into `Enrolment.request_digest`."""
    return hashlib.sha256(_transcript(request)).hexdigest()


def make_reply(key: bytes, request: EnrolRequest, enrolment: Enrolment) -> EnrolReply:
    """Return the server's answer to this one request, with its proof.

    Sets the enrolment's `request_digest`.
    """
    bound = msgspec.structs.replace(enrolment, request_digest=request_digest(request))
    body = msgspec.json.encode(bound).decode()
    return EnrolReply(body=body, mac=_reply_mac(key, request, body))


def open_reply(token: JoinToken, request: EnrolRequest, reply: EnrolReply) -> Enrolment:
    """Return what the server that made `token` answered to `request`.

    Raises NotAuthenticated when the answer comes from anybody else, or belongs to another request.
    """
    if not _is_same(_reply_mac(stored_key(token.secret), request, reply.body), reply.mac):
        raise _somebody_between()

    try:
        enrolment = msgspec.json.decode(reply.body, type=Enrolment)
    except msgspec.DecodeError as error:
        raise InvalidInput(
            "the server's answer cannot be read",
            hint="Server and worker may be of different versions.",
        ) from error

    if enrolment.request_digest != request_digest(request):
        raise _somebody_between()
    return enrolment


def _request_mac(key: bytes, request: EnrolRequest) -> str:
    return _mac(_derive(key, b"opsicle enrol: request"), _transcript(request))


def _reply_mac(key: bytes, request: EnrolRequest, body: str) -> str:
    transcript = _fields("opsicle enrol reply 1", request_digest(request), body)
    return _mac(_derive(key, b"opsicle enrol: reply"), transcript)


def _transcript(request: EnrolRequest) -> bytes:
    labels = [text for label in sorted(request.labels.items()) for text in label]
    return _fields(
        "opsicle enrol request 1",
        request.token_id,
        request.csr_pem,
        request.name,
        str(request.slots),
        str(len(request.labels)),
        *labels,
        *(["ephemeral"] if request.is_ephemeral else []),
    )


def _fields(*texts: str) -> bytes:
    """Return each text with its length before it.

    So no two different lists give the same bytes.
    """
    encoded = [text.encode() for text in texts]
    return b"".join(len(text).to_bytes(8, "big") + text for text in encoded)


def _mac(key: bytes, message: bytes) -> str:
    return base64.b64encode(hmac.digest(key, message, "sha256")).decode()


def _is_same(expected: str, given: str) -> bool:
    """Compare in constant time; as bytes, because `compare_digest` takes no text beyond ASCII."""
    return hmac.compare_digest(expected.encode(), given.encode())


def _derive(secret: bytes, purpose: bytes) -> bytes:
    # Loaded here: a worker that only reads a token at its start does not keep 11 MiB for it.
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=purpose).derive(secret)


def _somebody_between() -> NotAuthenticated:
    return NotAuthenticated(
        "the answer does not come from the server that made this token: somebody stands between",
        hint="Nothing was trusted or stored. "
        "Find out what answers at this address before you try again.",
    )


def _check_url(url: str) -> None:
    if not _is_usable(url):
        raise InvalidInput(
            "the server's address must be an http:// or https:// URL",
            hint="As in https://ops.example",
        )


def _is_usable(url: str) -> bool:
    # `urlsplit` quietly drops line breaks; nothing that a terminal could act on may stand in an
    # address.
    if not (url.isascii() and url.isprintable()) or " " in url or len(url) > _MAX_URL_LENGTH:
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False

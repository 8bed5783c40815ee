"""How senders of webhooks show that they know a trigger's secret.

    hmac-sha256   Opsicle-Signature: t=<unix seconds>,v1=<hex HMAC-SHA256 of t.body>
    bearer        Authorization: Bearer <secret>
    github        X-Hub-Signature-256: sha256=<hex HMAC-SHA256 of the body>
    gitlab        webhook-signature: v1,<base64 HMAC-SHA256 of webhook-id.webhook-timestamp.body>,
                  or X-Gitlab-Token: <secret>
    grafana       X-Grafana-Alerting-Signature: <hex HMAC-SHA256 of the body>, or of
                  timestamp:body where X-Grafana-Alerting-Timestamp is sent too
    alertmanager  Authorization: Bearer <secret>, or Basic with the secret as the password

A secret is `whsec_<base64 of 32 bytes>`, as the specification of Standard Webhooks writes them,
which GitLab follows: there the bytes are the key. For all others the text as it stands is.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import math
import re
import secrets
from collections.abc import Callable
from datetime import datetime

import msgspec

from opsicle.domain.triggers import VerifyMethod

CLOCK_WINDOW_SECONDS = 300
"""How old, or how far in the future, a signed timestamp may be."""

_REMEMBERED_SECONDS = 2 * CLOCK_WINDOW_SECONDS + 60
"""A signature of the near future is good until that has passed."""

_REMEMBERED_LONG_SECONDS = 3 * 86_400
"""As long as GitHub and GitLab let somebody send the same again by hand."""

_PREFIX = "whsec_"
_KEY_BYTES = 32
_SECONDS = re.compile(r"[0-9]{1,12}")
_MOST_SIGNATURES = 5

Header = Callable[[str], str]
"""Returns a request's header by name, "" if it was not sent."""


class Proof(msgspec.Struct, frozen=True):
    """A sender knew the secret.

    `identity` is the same for the same signed message, "" where nothing tells one message from
    another; it is to be remembered for so many seconds.
    """

    identity: str = ""
    remember_seconds: int = 0


class SignedCall(msgspec.Struct, frozen=True):
    """A call whose sender is to be verified."""

    header: Header
    body: bytes
    now: datetime


def new_secret() -> str:
    """Return a secret that nobody can guess."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()


def verify(method: VerifyMethod, secret: str, call: SignedCall) -> Proof | None:
    """Return the proof that a call's sender knew the secret, None if it did not.

    Takes the same time wherever what was sent differs from what is right.
    """
    return _METHODS[method](secret, call)


def sign(method: VerifyMethod, secret: str, body: bytes, now: datetime) -> dict[str, str]:
    """Return the headers with which a sender of this kind shows that it knows the secret."""
    time = str(int(now.timestamp()))
    match method:
        case VerifyMethod.HMAC:
            signature = _hmac_hex(secret.encode(), time.encode() + b"." + body)
            return {"Opsicle-Signature": f"t={time},v1={signature}"}
        case VerifyMethod.GITHUB:
            return {"X-Hub-Signature-256": f"sha256={_hmac_hex(secret.encode(), body)}"}
        case VerifyMethod.GRAFANA:
            signature = _hmac_hex(secret.encode(), f"{time}:".encode() + body)
            return {
                "X-Grafana-Alerting-Timestamp": time,
                "X-Grafana-Alerting-Signature": signature,
            }
        case VerifyMethod.GITLAB:
            message_id = secrets.token_hex(16)
            signature = _gitlab_signature(secret, message_id, time, body)
            return {
                "webhook-id": message_id,
                "webhook-timestamp": time,
                "webhook-signature": f"v1,{signature}",
            }
        case VerifyMethod.BEARER | VerifyMethod.ALERTMANAGER:
            return {"Authorization": f"Bearer {secret}"}


def why_refused(method: VerifyMethod, call: SignedCall) -> str:
    """Return why a call is not taken that `verify` has refused, for those whose secret it is.

    Takes no secret and hashes nothing, so that how long a refusal takes tells its sender nothing;
    quotes nothing of what a stranger sent.
    """
    return _REASONS[method](call)


def _verify_hmac(secret: str, call: SignedCall) -> Proof | None:
    parts = [part.strip().partition("=") for part in call.header("Opsicle-Signature").split(",")]
    timestamp = next((value for name, _, value in parts if name == "t"), "")
    if not _is_recent(timestamp, call.now):
        return None
    expected = _hmac_hex(secret.encode(), timestamp.encode() + b"." + call.body)
    given = [value for name, _, value in parts if name == "v1"]
    return _proof(expected, given, _REMEMBERED_SECONDS)


def _verify_github(secret: str, call: SignedCall) -> Proof | None:
    name, _, given = call.header("X-Hub-Signature-256").partition("=")
    expected = _hmac_hex(secret.encode(), call.body)
    return _proof(expected, [given] if name == "sha256" else [], _REMEMBERED_LONG_SECONDS)


def _verify_grafana(secret: str, call: SignedCall) -> Proof | None:
    timestamp = call.header("X-Grafana-Alerting-Timestamp")
    if timestamp and not _is_recent(timestamp, call.now):
        return None
    signed = timestamp.encode() + b":" + call.body if timestamp else call.body
    given = call.header("X-Grafana-Alerting-Signature")
    return _proof(_hmac_hex(secret.encode(), signed), [given], _REMEMBERED_SECONDS)


def _verify_gitlab(secret: str, call: SignedCall) -> Proof | None:
    signatures = call.header("webhook-signature")
    if not signatures:
        return _same(secret, call.header("X-Gitlab-Token"))

    message_id, timestamp = call.header("webhook-id"), call.header("webhook-timestamp")
    if not message_id or not _is_recent(timestamp, call.now):
        return None
    expected = _gitlab_signature(secret, message_id, timestamp, call.body)
    given = [text.removeprefix("v1,") for text in signatures.split() if text.startswith("v1,")]
    if _proof(expected, given, 0) is None:
        return None
    return Proof(f"id {message_id}", _REMEMBERED_LONG_SECONDS)


def _gitlab_signature(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    signed = f"{message_id}.{timestamp}.".encode() + body
    return base64.b64encode(hmac.digest(_key_in(secret), signed, hashlib.sha256)).decode()


def _verify_bearer(secret: str, call: SignedCall) -> Proof | None:
    scheme, _, given = call.header("Authorization").partition(" ")
    return _same(secret, given.strip()) if scheme.lower() == "bearer" else None


def _verify_alertmanager(secret: str, call: SignedCall) -> Proof | None:
    scheme, _, given = call.header("Authorization").partition(" ")
    if scheme.lower() != "basic":
        return _verify_bearer(secret, call)
    try:
        pair = base64.b64decode(given.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    return _same(secret, pair.partition(":")[2])


_METHODS: dict[VerifyMethod, Callable[[str, SignedCall], Proof | None]] = {
    VerifyMethod.HMAC: _verify_hmac,
    VerifyMethod.BEARER: _verify_bearer,
    VerifyMethod.GITHUB: _verify_github,
    VerifyMethod.GITLAB: _verify_gitlab,
    VerifyMethod.GRAFANA: _verify_grafana,
    VerifyMethod.ALERTMANAGER: _verify_alertmanager,
}


def _why_not_hmac(call: SignedCall) -> str:
    header = "Opsicle-Signature"
    text = call.header(header)
    if not text:
        return _no_header(header)
    parts = [part.strip().partition("=") for part in text.split(",")]
    values = {name: value for name, _, value in reversed(parts)}
    if not values.get("t") or not values.get("v1"):
        return f"the header {header} is not of the form t=SECONDS,v1=SIGNATURE"
    return _why_not_of_time(f"t of {header}", values["t"], call.now) or _wrong_signature(header)


def _why_not_github(call: SignedCall) -> str:
    header = "X-Hub-Signature-256"
    text = call.header(header)
    if text and not text.startswith("sha256="):
        return f"the header {header} is not of the form sha256=SIGNATURE"
    return _wrong_signature(header) if text else _no_header(header)


def _why_not_grafana(call: SignedCall) -> str:
    header, header_of_time = "X-Grafana-Alerting-Signature", "X-Grafana-Alerting-Timestamp"
    timestamp = call.header(header_of_time)
    if not call.header(header):
        return _no_header(header)
    wrong_time = _why_not_of_time(header_of_time, timestamp, call.now) if timestamp else ""
    return wrong_time or _wrong_signature(header)


def _why_not_gitlab(call: SignedCall) -> str:
    header, header_of_token = "webhook-signature", "X-Gitlab-Token"
    if not call.header(header):
        has_token = call.header(header_of_token)
        return _wrong_secret(header_of_token) if has_token else _no_header(header, header_of_token)
    for other in ("webhook-id", "webhook-timestamp"):
        if not call.header(other):
            return _no_header(other)
    if not any(text.startswith("v1,") for text in call.header(header).split()):
        return f"the header {header} is not of the form v1,SIGNATURE"
    timestamp = call.header("webhook-timestamp")
    wrong_time = _why_not_of_time("webhook-timestamp", timestamp, call.now)
    return wrong_time or _wrong_signature(header)


def _why_not_bearer(call: SignedCall) -> str:
    return _why_not_authorized(call, ("bearer",), "Bearer SECRET")


def _why_not_alertmanager(call: SignedCall) -> str:
    form = "Bearer SECRET, nor Basic with the secret as the password"
    return _why_not_authorized(call, ("bearer", "basic"), form)


def _why_not_authorized(call: SignedCall, schemes: tuple[str, ...], form: str) -> str:
    header = "Authorization"
    text = call.header(header)
    if not text:
        return _no_header(header)
    scheme, _, given = text.partition(" ")
    if scheme.lower() not in schemes or not given.strip():
        return f"the header {header} is not of the form {form}"
    return _wrong_secret(header)


_REASONS: dict[VerifyMethod, Callable[[SignedCall], str]] = {
    VerifyMethod.HMAC: _why_not_hmac,
    VerifyMethod.BEARER: _why_not_bearer,
    VerifyMethod.GITHUB: _why_not_github,
    VerifyMethod.GITLAB: _why_not_gitlab,
    VerifyMethod.GRAFANA: _why_not_grafana,
    VerifyMethod.ALERTMANAGER: _why_not_alertmanager,
}


def _no_header(*names: str) -> str:
    return f"the sender sent no header {' or '.join(names)}"


def _wrong_signature(header: str) -> str:
    return f"the signature in {header} is not that of this body with the trigger's secret"


def _wrong_secret(header: str) -> str:
    return f"the secret in {header} is not the trigger's"


def _why_not_of_time(what: str, timestamp: str, now: datetime) -> str:
    """Return what is wrong with a signed time, "" for one that is recent."""
    if not _SECONDS.fullmatch(timestamp):
        return f"{what} is not the time in whole seconds since 1970"
    if _is_recent(timestamp, now):
        return ""
    seconds = int(timestamp) - now.timestamp()
    minutes, side = math.ceil(abs(seconds) / 60), "ahead of" if seconds > 0 else "behind"
    return (
        f"{what} is {minutes} min {side} the server's clock, "
        f"and at most {CLOCK_WINDOW_SECONDS // 60} are taken"
    )


def _key_in(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix(_PREFIX))


def _hmac_hex(key: bytes, content: bytes) -> str:
    return hmac.new(key, content, hashlib.sha256).hexdigest()


def _same(secret: str, given: str) -> Proof | None:
    return Proof() if hmac.compare_digest(secret.encode(), given.encode()) else None


def _proof(expected: str, given: list[str], remember_seconds: int) -> Proof | None:
    """Return the proof if one of the signatures is right.

    It is known by what is right, not by how it was written.
    """
    for text in given[:_MOST_SIGNATURES]:
        if hmac.compare_digest(expected.encode(), text.strip().encode()):
            return Proof(f"signature {expected}", remember_seconds)
    return None


def _is_recent(timestamp: str, now: datetime) -> bool:
    if not _SECONDS.fullmatch(timestamp):
        return False
    return abs(now.timestamp() - int(timestamp)) <= CLOCK_WINDOW_SECONDS

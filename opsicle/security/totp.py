"""Codes of authenticator apps (TOTP, RFC 6238.

SHA-1, 6 digits, 30 s, what every app can do) and recovery codes.

A recovery code has 79 random bits, so a plain SHA-256 of it is enough to keep. It is written in
four groups of four characters, none of which is mistaken for another.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import secrets
from datetime import datetime

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

STEP_SECONDS = 30
DIGITS = 6
SEED_BYTES = 20
"""As long as the hash (RFC 4226, requirement 6)."""

DRIFT_STEPS = 1
"""A telephone's clock may be off by so many steps to either side (RFC 6238, 5.2)."""

RECOVERY_CODES = 10
_RECOVERY_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
_GROUPS, _GROUP_LENGTH = 4, 4


def new_seed() -> bytes:
    """Return a fresh seed, to be shared with one person's app."""
    return os.urandom(SEED_BYTES)


def seed_text(seed: bytes) -> str:
    """Return the seed as it is typed into an app that cannot read QR codes: base32."""
    return base64.b32encode(seed).decode()


def provisioning_uri(seed: bytes, account: str, issuer: str) -> str:
    """Return what the QR code says: `otpauth://totp/…`."""
    return _totp(seed).get_provisioning_uri(account, issuer)


def step_of(at: datetime) -> int:
    """Return the number of the 30-second step in which a time lies."""
    return int(at.timestamp()) // STEP_SECONDS


def code(seed: bytes, step: int) -> str:
    """Return the six digits of a step."""
    return _totp(seed).generate(step * STEP_SECONDS).decode()


def normalised(text: str) -> str:
    """Return a code as it was meant: people type spaces, hyphens and capitals."""
    return re.sub(r"[\s-]", "", text).lower()


def is_code(text: str) -> bool:
    """Return whether this, normalised, has the form of an app's code.

    Else it may be a recovery code.
    """
    return re.fullmatch(rf"[0-9]{{{DIGITS}}}", text) is not None


def matching_step(seed: bytes, given: str, at: datetime) -> int | None:
    """Return which step near this time has the code `given`, the newest first; None if none has."""
    now = step_of(at)
    steps = [
        step
        for step in range(now + DRIFT_STEPS, now - DRIFT_STEPS - 1, -1)
        if _fits(seed, step, given)
    ]
    return steps[0] if steps else None


def new_recovery_codes() -> list[str]:
    """Fresh codes, each of which stands in for an app's code once."""
    return ["-".join(_group() for _ in range(_GROUPS)) for _ in range(RECOVERY_CODES)]


def recovery_hash(text: str) -> str:
    """Return what is kept of a recovery code: hex SHA-256 of its normalised text."""
    return hashlib.sha256(b"opsicle recovery code\0" + normalised(text).encode()).hexdigest()


def _group() -> str:
    return "".join(secrets.choice(_RECOVERY_ALPHABET) for _ in range(_GROUP_LENGTH))


def _fits(seed: bytes, step: int, given: str) -> bool:
    return hmac.compare_digest(code(seed, step).encode(), given.encode())


def _totp(seed: bytes) -> TOTP:
    # RFC 6238's default, the only hash that all apps know
    return TOTP(seed, DIGITS, SHA1(), STEP_SECONDS)  # noqa: S303

"""Secrets as one line of text that people copy.

A prefix that names the kind, the payload, and a checksum.

    opsj1.<base64url of payload and the first 4 bytes of SHA-256 over prefix and payload>

The checksum is no protection against anyone: it tells a token that was mistyped or cut off from one
that the server refuses, before the network is asked.
"""

from __future__ import annotations

import base64
import binascii
import hashlib

from opsicle.domain.errors import InvalidInput

MAX_TEXT = 4096
"""The longest text that is read, in characters: a URL of 2,048 bytes and the rest fit easily."""

_CHECKSUM_BYTES = 4


def encode(prefix: str, payload: bytes) -> str:
    """Return the text that `decode` turns back into `payload`."""
    sealed = payload + _checksum(prefix, payload)
    return f"{prefix}.{base64.urlsafe_b64encode(sealed).rstrip(b'=').decode()}"


def decode(prefix: str, text: str, what: str) -> bytes:
    """Return the payload of a text made by `encode`; surrounding white space is ignored.

    `what` names the token in messages ("join token"). Raises InvalidInput for another kind of text,
    and for one in which a character was changed, added or lost. The message never shows the text.
    """
    text = text.strip()
    if not text.startswith(f"{prefix}."):
        raise InvalidInput(
            f"this is not a {what}", hint=f"A {what} begins with {prefix} and a dot. Copy it whole."
        )

    sealed = _decode_base64(text) if len(text) <= MAX_TEXT else b""
    payload = sealed[:-_CHECKSUM_BYTES]
    # Made anew and compared as text: base64 has several spellings of the same bytes, and only one
    # is ours.
    if encode(prefix, payload) != text:
        raise damaged(what)

    return payload


def damaged(what: str) -> InvalidInput:
    """Return the error for a token of the right kind whose content cannot be right."""
    return InvalidInput(
        f"the {what} is damaged: a character is wrong or missing",
        hint="Copy it whole, or make anew.",
    )


def _checksum(prefix: str, payload: bytes) -> bytes:
    return hashlib.sha256(prefix.encode() + b"." + payload).digest()[:_CHECKSUM_BYTES]


def _decode_base64(text: str) -> bytes:
    encoded = text.partition(".")[2]
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""

"""The bearer tokens of people.

`opsu_…` API tokens, `opss_…` sessions, `opsr_…` new passwords, `opsi_…` invitations.

    opsu_<40 random characters><6 characters of checksum>     all of 0-9 A-Z a-z

The prefix lets secret scanners find a token that leaked; the checksum (CRC-32 of all before it)
tells a typo without a network or a database. The server stores a hash alone: 238 random bits cannot
be guessed, so SHA-256 is enough.
"""

from __future__ import annotations

import hashlib
import secrets
import string
import zlib

from opsicle.domain.errors import NotAuthenticated

API_PREFIX = "opsu_"
SESSION_PREFIX = "opss_"
RESET_PREFIX = "opsr_"
INVITATION_PREFIX = "opsi_"

_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM_LENGTH = 40
_CHECKSUM_LENGTH = 6  # 62 ** 6 > 2 ** 32
_LENGTH = len(API_PREFIX) + _RANDOM_LENGTH + _CHECKSUM_LENGTH


def new_api_token() -> tuple[str, str]:
    """Return a fresh API token: its text, shown once, and the hash to store."""
    return _new(API_PREFIX)


def new_session_token() -> tuple[str, str]:
    """Return a fresh session token.

    The first is its text, for the cookie or the CLI's session file, the second the hash to store.
    """
    return _new(SESSION_PREFIX)


def new_reset_token() -> tuple[str, str]:
    """Return a fresh one-time token with which a new password is set.

    The first is its text, which is shown once, the second the hash to store.
    """
    return _new(RESET_PREFIX)


def new_invitation_token() -> tuple[str, str]:
    """Return a fresh one-time token by which somebody comes into an org.

    The first is its text, which is shown once, the second the hash to store.
    """
    return _new(INVITATION_PREFIX)


def token_hash(text: str) -> str:
    """Hex SHA-256: what is stored, and what a token that arrives is looked up by."""
    return hashlib.sha256(text.encode()).hexdigest()


def check_format(text: str) -> None:
    """Raise NotAuthenticated unless this can be a token.

    It can if its prefix is known, its length right, and its checksum matches.
    """
    body, checksum = text[:-_CHECKSUM_LENGTH], text[-_CHECKSUM_LENGTH:]
    if not text.startswith((API_PREFIX, SESSION_PREFIX)):
        raise NotAuthenticated(
            "this is not an Opsicle token", hint=f"An API token begins with {API_PREFIX}"
        )
    if len(text) != _LENGTH or not text.isascii() or checksum != _checksum(body):
        raise NotAuthenticated(
            "the token is damaged: a character is wrong or missing", hint="Copy it whole."
        )


def _new(prefix: str) -> tuple[str, str]:
    body = prefix + "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM_LENGTH))
    text = body + _checksum(body)
    return text, token_hash(text)


def _checksum(body: str) -> str:
    rest = zlib.crc32(body.encode())
    characters = []
    for _ in range(_CHECKSUM_LENGTH):
        rest, digit = divmod(rest, len(_ALPHABET))
        characters.append(_ALPHABET[digit])
    return "".join(reversed(characters))

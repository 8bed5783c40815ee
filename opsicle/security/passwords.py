"""Passwords: what is accepted as one, and how one is stored and checked.

Length is the only rule, besides that it is not the person's own name or address: composition rules
make passwords worse, not better (NIST SP 800-63B, 5.1.1.2). Stored as Argon2id in PHC form with the
first of the parameter sets that OWASP's Password Storage Cheat Sheet recommends as equivalent.

Hashing takes about 0.03 s and 19 MiB, outside the interpreter's lock: call it in a thread pool of
few threads.
"""

from __future__ import annotations

import os
import re
import unicodedata

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from opsicle.domain.errors import InvalidInput, Problem

MIN_LENGTH = 12
"""In characters."""
MAX_BYTES = 1024
"""In UTF-8: so that nobody makes the server hash a megabyte."""

_MEMORY_KIB = 19456
_ITERATIONS = 2
_LANES = 1
_SALT_BYTES = 16
_HASH_BYTES = 32
_KIND = "$argon2id$"
_MOST_KIB, _MOST_ITERATIONS = 65536, 4
"""What any version has asked for, and more: a hash may have come with an org from elsewhere."""
_COST = re.compile(r"\$argon2id\$v=19\$m=(\d{1,6}),t=(\d),p=1\$", re.ASCII)
_CURRENT = f"{_KIND}v=19$m={_MEMORY_KIB},t={_ITERATIONS},p={_LANES}$"

DUMMY = f"{_CURRENT}b3BzaWNsZSBkdW1teSBzYQ$YW5kIG5vYm9keSBrbm93cyBpdHMgcGFzc3dvcmQgISE"
"""A hash that no password fits: verify against it when there is no such account, so that both take
equally long."""


def check_password(password: str, *, email: str, name: str = "") -> None:
    """Raise InvalidInput unless this may become the password of this person."""
    text = _normalise(password)

    if len(text) < MIN_LENGTH:
        raise _refusal(
            f"is shorter than {MIN_LENGTH} characters",
            hint="A few unrelated words make a good one.",
        )
    if len(password.encode()) > MAX_BYTES:
        raise _refusal(f"is longer than {MAX_BYTES} bytes", hint="Choose a shorter one.")
    if text.casefold() in _personal_words(email, name):
        raise _refusal(
            "is the person's own name or address", hint="Choose something that others cannot guess."
        )
    if len(set(text)) == 1:
        raise _refusal("is one character repeated", hint="A few unrelated words make a good one.")


def hash_password(password: str) -> str:
    """Return the PHC string to store. Takes about 0.03 s."""
    argon2id = Argon2id(
        salt=os.urandom(_SALT_BYTES),
        length=_HASH_BYTES,
        iterations=_ITERATIONS,
        lanes=_LANES,
        memory_cost=_MEMORY_KIB,
    )
    return argon2id.derive_phc_encoded(_normalise(password).encode())


def verify_password(stored: str, given: str) -> bool:
    """Return whether `given` is the password behind the PHC string `stored`. Takes about 0.03 s.

    Nothing fits what is no hash, such as what stands in its place for a service account, or one
    that would take all memory; that takes just as long, so that nobody learns from it which
    accounts there are.
    """
    if len(given.encode()) > MAX_BYTES:
        return False
    try:
        Argon2id.verify_phc_encoded(
            _normalise(given).encode(), stored if _is_affordable(stored) else DUMMY
        )
    except (InvalidKey, ValueError):
        return False
    return True


def needs_rehash(stored: str) -> bool:
    """Return whether `stored` was made with other parameters than today's.

    If it was, hash anew at the next successful login.
    """
    return not stored.startswith(_CURRENT)


def _is_affordable(stored: str) -> bool:
    cost = _COST.match(stored)
    return cost is not None and int(cost[1]) <= _MOST_KIB and int(cost[2]) <= _MOST_ITERATIONS


def _normalise(password: str) -> str:
    """Return the same characters whatever keyboard typed them.

    NIST SP 800-63B asks for NFKC or NFKD.
    """
    return unicodedata.normalize("NFKC", password)


def _personal_words(email: str, name: str) -> set[str]:
    words = (email, email.partition("@")[0], name, name.replace(" ", ""))
    return {_normalise(word).casefold() for word in words if word}


def _refusal(what: str, *, hint: str) -> InvalidInput:
    message = f"the password {what}"
    return InvalidInput(message, hint=hint, problems=(Problem("password", message),))

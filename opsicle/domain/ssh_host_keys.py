"""Public keys by which hosts show themselves over SSH, in the form of `known_hosts`."""

from __future__ import annotations

import base64
import binascii
import hashlib

from opsicle.domain.problems import listed, quoted

HOST_KEY_TYPES = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
)

MAX_HOST_KEY_CHARACTERS = 4_000
"""The longest line that is taken. RSA's largest key that OpenSSH takes, 16,384 bits, has 2,800."""


class HostKeyMistake(ValueError):
    """What is wrong with a line that is to be a host key."""


def parse_host_key(text: str) -> str:
    """Return a key as `TYPE BASE64`, without a comment behind it. Raises HostKeyMistake."""
    words = text.split()
    if len(words) < 2 or words[0] not in HOST_KEY_TYPES:
        raise HostKeyMistake(
            f"{quoted(text)} is no host key: it is written as `ssh-ed25519 AAAA…`, "
            f"and its type is {listed(HOST_KEY_TYPES)}"
        )

    kind, encoded = words[:2]
    try:
        fields = list(_fields(base64.b64decode(encoded, validate=True)))
    except (binascii.Error, ValueError) as error:
        raise HostKeyMistake(f"{quoted(text)} is no whole key: copy the line anew") from error
    if len(fields) < 2 or fields[0] != kind.encode() or not all(fields):
        raise HostKeyMistake(f"{quoted(text)} holds no key of type {kind}: copy the line anew")
    return f"{kind} {encoded}"


def fingerprint(key: str) -> str:
    """Return `SHA256:…` of a key as `TYPE BASE64`, as `ssh-keygen -l` writes it."""
    blob = base64.b64decode(key.split()[1])
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def _fields(blob: bytes) -> list[bytes]:
    """Return the strings of a key as RFC 4253 encodes them. Raises ValueError for cut-off ones."""
    fields, at = [], 0
    while at < len(blob):
        length = int.from_bytes(blob[at : at + 4])
        end = at + 4 + length
        if at + 4 > len(blob) or end > len(blob):
            raise ValueError("cut off")
        fields.append(blob[at + 4 : end])
        at = end
    return fields

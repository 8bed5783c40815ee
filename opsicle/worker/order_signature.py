"""Checking the signatures of orders with the OpenSSL that Python's `ssl` has loaded anyway.

`cryptography` brings an OpenSSL of its own and much else that a worker at rest has no use for: 8
MiB of memory. It is loaded only where Python's OpenSSL cannot be reached, or does not tell a good
signature from a bad one.
"""

from __future__ import annotations

import base64
import binascii
import ctypes
import ssl
from functools import cache
from typing import Protocol

from opsicle.domain.manifests import ORDER_PURPOSE

_ED25519 = 1087
"""EVP_PKEY_ED25519 of OpenSSL."""

_DER_START = bytes.fromhex("302a300506032b6570032100")
"""What stands before the 32 bytes of an Ed25519 key in its SubjectPublicKeyInfo (RFC 8410)."""

_BEGIN, _END = "-----BEGIN PUBLIC KEY-----", "-----END PUBLIC KEY-----"

_KNOWN_KEY = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
_KNOWN_SIGNATURE = bytes.fromhex(
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24"
    "655141438e7a100b"
)
"""Of an empty message: the first test of RFC 8032."""

_NEEDED = {
    "EVP_PKEY_new_raw_public_key": ctypes.c_void_p,
    "EVP_PKEY_free": None,
    "EVP_MD_CTX_new": ctypes.c_void_p,
    "EVP_MD_CTX_free": None,
    "EVP_DigestVerifyInit": ctypes.c_int,
    "EVP_DigestVerify": ctypes.c_int,
    "ERR_clear_error": None,
}
"""The functions and what they return."""


class OrderVerifier(Protocol):
    """A server's public key for orders."""

    def has_signed(self, order: bytes, signature: bytes) -> bool:
        """Return whether the key's owner has signed just these bytes as an order."""


def load(pem: str) -> OrderVerifier:
    """Return the key in a PEM text.

    Raises InvalidInput if there is none, or one of another kind.
    """
    raw = _raw_key(pem)
    if raw and is_reachable():
        return _Key(raw)

    # Costs 8 MiB, see above; and it says best what is wrong.
    from opsicle.security.order_key import OrderPublicKey

    return OrderPublicKey.load(pem)


@cache
def is_reachable() -> bool:
    """Return whether Python's OpenSSL can be called, and tells a good signature from a bad one."""
    library = _library()
    if not all(hasattr(library, name) for name in _NEEDED):
        return False
    key = _Key(_KNOWN_KEY)
    return key.verifies(_KNOWN_SIGNATURE, b"") and not key.verifies(_KNOWN_SIGNATURE, b"x")


class _Key:
    """One public key.

    Safe to use from any thread; each of which is let go on while another one's check is made.
    """

    def __init__(self, raw: bytes) -> None:
        self._library = _library()
        self._key = self._library.EVP_PKEY_new_raw_public_key(
            _ED25519, None, raw, ctypes.c_size_t(len(raw))
        )
        if not self._key:
            self._library.ERR_clear_error()

    def has_signed(self, order: bytes, signature: bytes) -> bool:
        return self.verifies(signature, ORDER_PURPOSE + order)

    def verifies(self, signature: bytes, content: bytes) -> bool:
        """Return whether the key's owner has signed just these bytes.

        Whatever else OpenSSL says is a no.
        """
        context = self._library.EVP_MD_CTX_new()
        if not (context and self._key):
            return False

        handle, key = ctypes.c_void_p(context), ctypes.c_void_p(self._key)
        try:
            if self._library.EVP_DigestVerifyInit(handle, None, None, None, key) != 1:
                return False
            sizes = ctypes.c_size_t(len(signature)), ctypes.c_size_t(len(content))
            return bool(
                self._library.EVP_DigestVerify(handle, signature, sizes[0], content, sizes[1]) == 1
            )
        finally:
            self._library.EVP_MD_CTX_free(handle)
            self._library.ERR_clear_error()  # `ssl` would take what is left in there for its own


def _raw_key(pem: str) -> bytes:
    """Return the 32 bytes of an Ed25519 key; nothing for any other text."""
    text = pem.strip()
    if not (text.startswith(_BEGIN) and text.endswith(_END)):
        return b""
    try:
        content = base64.b64decode("".join(text[len(_BEGIN) : -len(_END)].split()), validate=True)
    except binascii.Error:
        return b""
    return (
        content[len(_DER_START) :] if content.startswith(_DER_START) and len(content) == 44 else b""
    )


@cache
def _library() -> ctypes.CDLL:
    """Return the OpenSSL that Python's `ssl` is linked with, in its own module or this program."""
    file = getattr(getattr(ssl, "_ssl"), "__file__", None)  # noqa: B009 - typeshed does not know it
    library = ctypes.CDLL(file)
    for name, result in _NEEDED.items():
        if hasattr(library, name):
            getattr(library, name).restype = result
    return library

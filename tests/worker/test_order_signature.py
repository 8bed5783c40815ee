"""Orders' signatures, checked by Python's own OpenSSL and by `cryptography` alike."""

from __future__ import annotations

import ssl
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from opsicle.domain.errors import InvalidInput
from opsicle.security.order_key import OrderKey, OrderPublicKey
from opsicle.worker import order_signature

ORDER = b'{"job_id":"j1"}'


@pytest.fixture(params=["of Python's OpenSSL", "of cryptography"])
def verifier(request: pytest.FixtureRequest, key: OrderKey, monkeypatch: pytest.MonkeyPatch):
    if request.param == "of cryptography":
        monkeypatch.setattr(order_signature, "is_reachable", lambda: False)
    else:
        assert order_signature.is_reachable(), (
            f"{ssl.OPENSSL_VERSION} cannot be called: only the fallback is tested"
        )
    found = order_signature.load(key.public.pem)
    assert isinstance(found, OrderPublicKey) == (request.param == "of cryptography")
    return found


@pytest.fixture
def key() -> OrderKey:
    return OrderKey.create()


def test_only_what_the_key_has_signed_as_an_order_counts(
    verifier: order_signature.OrderVerifier, key: OrderKey
) -> None:
    signature = key.sign(ORDER)

    assert verifier.has_signed(ORDER, signature)
    assert not verifier.has_signed(ORDER + b" ", signature)
    assert not verifier.has_signed(b"", signature)
    assert not verifier.has_signed(ORDER, OrderKey.create().sign(ORDER))
    assert not verifier.has_signed(ORDER, key.signature_of(ORDER))  # without the purpose
    for odd in (
        b"",
        signature[:-1],
        signature + b"\0",
        bytes(64),
        b"\xff" * 64,
        signature[32:] + signature[:32],
    ):
        assert not verifier.has_signed(ORDER, odd)

    for position in range(64):
        changed = bytearray(signature)
        changed[position] ^= 1
        assert not verifier.has_signed(ORDER, bytes(changed))
    assert verifier.has_signed(ORDER, signature)


def test_a_refused_signature_does_not_trouble_tls(verifier: order_signature.OrderVerifier) -> None:
    assert not verifier.has_signed(ORDER, b"\xff" * 64)

    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    connection = context.wrap_bio(incoming, outgoing, server_hostname="x")

    with pytest.raises(ssl.SSLWantReadError):
        connection.do_handshake()


def test_many_threads_check_at_once(verifier: order_signature.OrderVerifier, key: OrderKey) -> None:
    signature = key.sign(ORDER)
    wrong: list[object] = []

    def check(own: bytes) -> None:
        good = key.sign(own)
        if not all(
            verifier.has_signed(own, good) and not verifier.has_signed(own, signature)
            for _ in range(50)
        ):
            wrong.append(own)

    threads = [threading.Thread(target=check, args=(b"order %d" % number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize(
    "spelled", ["", "no key", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"]
)
def test_what_is_no_key_is_an_error(spelled: str) -> None:
    with pytest.raises(InvalidInput, match="the server's key for orders"):
        order_signature.load(spelled)


def test_a_key_of_another_kind_is_an_error() -> None:
    pem = (
        ec.generate_private_key(ec.SECP256R1())
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    with pytest.raises(InvalidInput, match="is not an Ed25519 key"):
        order_signature.load(pem.decode())


def test_a_worker_at_rest_loads_neither_cryptography_nor_yaml_nor_an_http_client() -> None:
    program = (
        "import sys, opsicle.worker.main; "
        "print(*{name.partition('.')[0] for name in sys.modules}, *sys.modules)"
    )

    printed = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()

    assert not {"cryptography", "yaml", "http.client", "email"} & set(printed)

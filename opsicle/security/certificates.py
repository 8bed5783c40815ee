"""Reading what others present.

Certificate requests, workers' certificates, a given TLS certificate and key.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID

from opsicle.domain.errors import InvalidInput, NotAuthenticated

WorkerPublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey
"""The kinds of key that a worker may have."""

MAX_CSR_CHARACTERS = 16 * 1024
_RSA_BITS = range(2048, 4096 + 1)
_SPIFFE = re.compile(
    r"spiffe://opsicle/org/([a-z0-9][a-z0-9-]{0,62})/worker/([A-Za-z0-9][A-Za-z0-9_-]{0,63})",
    re.ASCII,
)


class WorkerIdentity(msgspec.Struct, frozen=True):
    """Who a worker's certificate says it is. `serial` is lower-case hex without leading zeros."""

    org: str
    worker_id: str
    serial: str


def make_key_and_csr() -> tuple[str, str]:
    """Return a fresh P-256 private key and a request for a certificate over it, both PEM.

    The request names nobody: who the worker is, the server says.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    csr = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([]))
        .sign(key, hashes.SHA256())
    )
    return private_key_pem(key), csr.public_bytes(serialization.Encoding.PEM).decode()


def private_key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    """Return the key as unencrypted PKCS #8 PEM.

    Whoever writes it to disk gives the file mode 0600.
    """
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem.decode()


def load_csr(pem: str) -> WorkerPublicKey:
    """Return the public key of a certificate request whose sender holds the private key.

    Nothing else of the request is used: whatever names or rights it claims, the server chooses the
    identity. Raises InvalidInput if it is malformed, wrongly signed, or its key too weak or of a
    kind that we do not take.
    """
    if len(pem) > MAX_CSR_CHARACTERS:
        raise InvalidInput("the certificate request is too long")

    try:
        csr = x509.load_pem_x509_csr(pem.encode())
        key = _accepted(csr.public_key())
        is_signed = csr.is_signature_valid
    except (ValueError, TypeError, x509.InvalidVersion, UnsupportedAlgorithm) as error:
        raise InvalidInput("the certificate request cannot be read") from error

    if not is_signed:
        raise InvalidInput("the certificate request is not signed by its own key")
    return key


def key_digest(key: WorkerPublicKey) -> str:
    """Hex SHA-256 of a public key, by which the same one is recognised."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return hashlib.sha256(key.public_bytes(serialization.Encoding.DER, form)).hexdigest()


def worker_identity(certificate: bytes | Mapping[str, Any]) -> WorkerIdentity:
    """Return who this certificate names, given as DER or as `SSLSocket.getpeercert()`.

    The TLS handshake must have verified it against our CA already. Raises NotAuthenticated unless
    it has exactly one alternative name and that is a worker's; for DER also unless it is for
    clients alone.
    """
    if isinstance(certificate, bytes):
        names, serial = _names_from_der(certificate)
    else:
        names = [tuple(name) for name in certificate.get("subjectAltName", ())]
        serial = int(certificate.get("serialNumber", "0"), 16)
    uri = names[0][1] if len(names) == 1 and names[0][0] == "URI" else ""
    match = _SPIFFE.fullmatch(uri)
    if match is None:
        raise _not_a_worker()
    return WorkerIdentity(org=match[1], worker_id=match[2], serial=f"{serial:x}")


def worker_uri(org_code: str, worker_id: str) -> str:
    """Return the SPIFFE URI that names one worker.

    Raises InvalidInput for a code or id that could mean another path.
    """
    uri = f"spiffe://opsicle/org/{org_code}/worker/{worker_id}"
    if not _SPIFFE.fullmatch(uri):
        raise InvalidInput("the org code or worker id cannot stand in a certificate")
    return uri


def fingerprint(certificate_pem: str) -> str:
    """Return `sha256:` and the hex SHA-256 over the DER of the first certificate.

    Raises InvalidInput.
    """
    return fingerprint_of_der(
        load_certificate(certificate_pem).public_bytes(serialization.Encoding.DER)
    )


def fingerprint_of_der(certificate_der: bytes) -> str:
    """Return `sha256:` and the hex SHA-256 over a certificate as a TLS connection shows it."""
    return f"sha256:{hashlib.sha256(certificate_der).hexdigest()}"


def expires_at(certificate_pem: str) -> datetime:
    """Return when the first certificate ends, in UTC. Raises InvalidInput."""
    return load_certificate(certificate_pem).not_valid_after_utc


def starts_at(certificate_pem: str) -> datetime:
    """Return from when on the first certificate is valid, in UTC.

    Raises InvalidInput.
    """
    return load_certificate(certificate_pem).not_valid_before_utc


def check_match(certificate_pem: str, key_pem: str) -> None:
    """Raise InvalidInput unless this certificate (a chain's first) and key belong together."""
    certificate = load_certificate(certificate_pem)
    key = load_private_key(key_pem)
    if _public_bytes(key.public_key()) != _public_bytes(certificate.public_key()):
        raise InvalidInput(
            "the private key does not belong to the certificate",
            hint="The server's own certificate must come first in the file, "
            "before those of its issuers.",
        )


def check_pair(certificate_pem: str, key_pem: str, now: datetime) -> None:
    """Raise InvalidInput unless this certificate and key can serve TLS at `now`.

    Of a chain the first certificate counts.
    """
    check_match(certificate_pem, key_pem)
    certificate = load_certificate(certificate_pem)

    if now < certificate.not_valid_before_utc:
        raise InvalidInput(
            f"the certificate is not valid before {shown_time(certificate.not_valid_before_utc)}"
        )
    if now >= certificate.not_valid_after_utc:
        raise InvalidInput(
            f"the certificate expired on {shown_time(certificate.not_valid_after_utc)}",
            hint="Have it renewed.",
        )


def load_private_key(key_pem: str) -> PrivateKeyTypes:
    """Return the private key in a PEM text.

    Raises InvalidInput if there is none, or it needs a pass phrase.
    """
    try:
        return serialization.load_pem_private_key(key_pem.encode(), password=None)
    except TypeError as error:
        raise InvalidInput(
            "the private key is protected by a pass phrase",
            hint="Remove it with `openssl pkey`, and set mode 0600.",
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidInput(
            "the private key cannot be read", hint="It must be unencrypted PEM."
        ) from error


def load_certificate(certificate_pem: str) -> x509.Certificate:
    """Return the first certificate in a PEM text. Raises InvalidInput if there is none."""
    try:
        return x509.load_pem_x509_certificates(certificate_pem.encode())[0]
    except (ValueError, x509.InvalidVersion, UnsupportedAlgorithm) as error:
        raise InvalidInput("the certificate cannot be read", hint="It must be PEM.") from error


def _accepted(key: object) -> WorkerPublicKey:
    if isinstance(key, rsa.RSAPublicKey) and key.key_size in _RSA_BITS:
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(
        key.curve, ec.SECP256R1 | ec.SECP384R1
    ):
        return key
    if isinstance(key, ed25519.Ed25519PublicKey):
        return key
    raise InvalidInput(
        "the certificate request has a key that we do not take",
        hint="Use ECDSA on P-256 or P-384, Ed25519, or RSA of 2048 to 4096 bits.",
    )


def _names_from_der(der: bytes) -> tuple[list[tuple[str, str]], int]:
    try:
        certificate = x509.load_der_x509_certificate(der)
        extensions = certificate.extensions
        usages = list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
        names = list(extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except (
        ValueError,
        x509.InvalidVersion,
        x509.ExtensionNotFound,
        x509.DuplicateExtension,
    ) as error:
        raise _not_a_worker() from error

    if usages != [ExtendedKeyUsageOID.CLIENT_AUTH]:
        raise _not_a_worker()

    shown = [
        ("URI" if isinstance(name, x509.UniformResourceIdentifier) else "other", str(name.value))
        for name in names
    ]
    return shown, certificate.serial_number


def _not_a_worker() -> NotAuthenticated:
    return NotAuthenticated(
        "the client certificate is not a worker's", hint="Enrol with a join token."
    )


def _public_bytes(key: Any) -> bytes:
    encoded: bytes = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return encoded


def shown_time(at: datetime) -> str:
    """Return a time as people read it in a sentence, to the minute."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")

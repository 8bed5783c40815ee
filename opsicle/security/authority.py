"""The server's own certificate authority.

One self-signed key that signs its listeners' and its workers' certificates.

It signs nothing else, so a certificate for servers under this CA *is* this server. Every one of
them has the name `SERVER_NAME` beside its addresses: a worker checks that name, whatever address it
reached the server by.
"""

from __future__ import annotations

import ipaddress
import re
import secrets
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Self

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from opsicle.domain.errors import InvalidInput, Unavailable
from opsicle.security import certificates

SERVER_NAME = "server.opsicle.internal"
"""A name in every server certificate of an Opsicle CA; `.internal` is reserved for private use."""

CA_LIFETIME = timedelta(days=3652)
SERVER_LIFETIME = timedelta(days=90)
WORKER_DAYS = 7
BACKDATED = timedelta(days=1)
"""For how long before it was made a certificate is valid.

A clock that was ahead for some hours and is put right, here or on a worker, must not make those of
the meantime worth nothing until it gets there again: workers could not tell how their jobs ended.
"""

_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
_EVERY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 - one listens on these, nobody reaches them
_HOST_NAME = re.compile(
    r"(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*", re.IGNORECASE
)


class IssuedCertificate(msgspec.Struct, frozen=True):
    """A worker's new certificate. `serial` is lower-case hex, `not_after` in UTC."""

    pem: str
    serial: str
    not_after: datetime


class Authority:
    """The CA.

    `key_pem` is the most secret thing that the server has: it lives in a file of mode 0600.
    """

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self._certificate = certificate
        self._key = key
        self.cert_pem = _pem(certificate)
        self.fingerprint = certificates.fingerprint(self.cert_pem)
        self.not_after = certificate.not_valid_after_utc

    @classmethod
    def create(cls, now: datetime) -> Self:
        """Return a new CA with a new P-256 key, valid for ten years."""
        key = ec.generate_private_key(ec.SECP256R1())
        # A name of its own keeps two servers' CAs apart where a person has imported both.
        name = _name(f"Opsicle CA {secrets.token_hex(4)}")
        builder = (
            _builder(name, name, key.public_key(), now, now + CA_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(key_cert_sign=True, crl_sign=True), critical=True)
        )
        return cls(builder.sign(key, hashes.SHA256()), key)

    @classmethod
    def load(cls, cert_pem: str, key_pem: str) -> Self:
        """Return the CA that an earlier one's `cert_pem` and `key_pem` hold.

        Raises InvalidInput if they are no pair.
        """
        key = certificates.load_private_key(key_pem)
        certificate = certificates.load_certificate(cert_pem)

        if not _may_sign(certificate):
            raise InvalidInput("the certificate is not a CA's", hint="Restore a backup.")
        if (
            not isinstance(key, ec.EllipticCurvePrivateKey)
            or key.public_key() != certificate.public_key()
        ):
            raise InvalidInput(
                "the CA's private key does not belong to its certificate", hint="Restore a backup."
            )

        return cls(certificate, key)

    @property
    def key_pem(self) -> str:
        """The private key as unencrypted PEM."""
        return certificates.private_key_pem(self._key)

    def issue_server(self, names: Sequence[str], now: datetime) -> tuple[str, str]:
        """Return a certificate and a new key, both PEM, for a listener with these names.

        Loopback and `SERVER_NAME` are always among them. Valid for 90 days: issue anew at start and
        in good time. Raises InvalidInput for a name that cannot stand in a certificate.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        every_name = dict.fromkeys((SERVER_NAME, *_LOOPBACK_NAMES, *names))
        alternatives = [_alternative(name) for name in every_name if name not in _EVERY_ADDRESS]
        builder = _leaf(
            self._builder("Opsicle server", key.public_key(), now, SERVER_LIFETIME)
        ).add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        certificate = self._sign(builder, alternatives)
        return _pem(certificate), certificates.private_key_pem(key)

    def issue_worker(
        self,
        public_key: certificates.WorkerPublicKey,
        org_code: str,
        worker_id: str,
        now: datetime,
        days: int = WORKER_DAYS,
    ) -> IssuedCertificate:
        """Return a certificate that makes the holder of `public_key` this worker of this org.

        The key comes from `load_csr`.

        Raises InvalidInput for an org code or worker id that cannot stand in a SPIFFE URI.
        """
        uri = x509.UniformResourceIdentifier(certificates.worker_uri(org_code, worker_id))
        builder = _leaf(
            self._builder(worker_id, public_key, now, timedelta(days=days))
        ).add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        certificate = self._sign(builder, [uri])
        return IssuedCertificate(
            _pem(certificate), f"{certificate.serial_number:x}", certificate.not_valid_after_utc
        )

    def _builder(
        self,
        common_name: str,
        public_key: certificates.WorkerPublicKey,
        now: datetime,
        lifetime: timedelta,
    ) -> x509.CertificateBuilder:
        if now >= self.not_after:
            raise Unavailable(
                "this server's certificate authority has expired", hint="Set up a new one."
            )

        ends_at = min(now + lifetime, self.not_after)
        return _builder(
            _name(common_name), self._certificate.subject, public_key, now, ends_at
        ).add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
            critical=False,
        )

    def _sign(
        self, builder: x509.CertificateBuilder, names: Iterable[x509.GeneralName]
    ) -> x509.Certificate:
        return builder.add_extension(x509.SubjectAlternativeName(names), critical=False).sign(
            self._key, hashes.SHA256()
        )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: certificates.WorkerPublicKey,
    now: datetime,
    ends_at: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before((now - BACKDATED).astimezone(UTC))
        .not_valid_after(ends_at.astimezone(UTC))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _leaf(builder: x509.CertificateBuilder) -> x509.CertificateBuilder:
    return builder.add_extension(
        x509.BasicConstraints(ca=False, path_length=None), critical=True
    ).add_extension(_key_usage(digital_signature=True), critical=True)


def _key_usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def check_names(names: Iterable[str]) -> None:
    """Raise InvalidInput for a name that cannot stand in a certificate."""
    for name in names:
        _alternative(name)


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:  # then it is a name
        pass
    if len(name) > 253 or not _HOST_NAME.fullmatch(name):
        raise InvalidInput(
            f"the host name {name!r} cannot stand in a certificate",
            hint="Write it in its ASCII form.",
        )
    return x509.DNSName(name)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _may_sign(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension):
        return False

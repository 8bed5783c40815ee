"""Hostile certificate requests, other people's certificates, unfit TLS pairs."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from opsicle.domain.errors import InvalidInput, NotAuthenticated
from opsicle.security import certificates
from opsicle.security.authority import Authority

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
AUTHORITY = Authority.create(NOW)
HONEST_KEY, HONEST_CSR = certificates.make_key_and_csr()


def der(pem: str) -> bytes:
    return x509.load_pem_x509_certificate(pem.encode()).public_bytes(serialization.Encoding.DER)


def csr_pem(key, *extensions: x509.ExtensionType, common_name: str | None = None) -> str:
    names = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else []
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(names))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=True)
    algorithm = (
        None
        if isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)
        else hashes.SHA256()
    )
    return builder.sign(key, algorithm).public_bytes(serialization.Encoding.PEM).decode()


def armoured(content: bytes) -> str:
    text = base64.encodebytes(content).decode()
    return f"-----BEGIN CERTIFICATE REQUEST-----\n{text}-----END CERTIFICATE REQUEST-----\n"


def csr_der() -> bytes:
    return x509.load_pem_x509_csr(HONEST_CSR.encode()).public_bytes(serialization.Encoding.DER)


# --- certificate requests


@pytest.mark.parametrize(
    "generate",
    [
        lambda: ec.generate_private_key(ec.SECP256R1()),
        lambda: ec.generate_private_key(ec.SECP384R1()),
        ed25519.Ed25519PrivateKey.generate,
        lambda: rsa.generate_private_key(65537, 2048),
    ],
    ids=["P-256", "P-384", "Ed25519", "RSA-2048"],
)
def test_a_request_with_a_strong_key_gives_that_key(generate) -> None:
    key = generate()
    accepted = certificates.load_csr(csr_pem(key))

    assert accepted == key.public_key()

    AUTHORITY.issue_worker(accepted, "acme", "w1", NOW)


@pytest.mark.parametrize(
    "generate",
    [
        lambda: rsa.generate_private_key(65537, 1024),
        lambda: ec.generate_private_key(ec.SECP224R1()),
        lambda: ec.generate_private_key(ec.SECP256K1()),
        ed448.Ed448PrivateKey.generate,
        lambda: dsa.generate_private_key(2048),
    ],
    ids=["RSA-1024", "P-224", "secp256k1", "Ed448", "DSA"],
)
def test_a_request_with_a_weak_or_strange_key_is_refused(generate) -> None:
    request = csr_pem(generate())

    with pytest.raises(InvalidInput, match="key that we do not take"):
        certificates.load_csr(request)


def test_whatever_a_request_claims_the_certificate_says_what_the_server_chose() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    foreign = x509.UniformResourceIdentifier("spiffe://opsicle/org/other/worker/theirs")

    hostile = csr_pem(
        key,
        x509.BasicConstraints(ca=True, path_length=5),
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]),
        x509.SubjectAlternativeName([foreign, x509.DNSName("localhost")]),
        common_name="other\0w1",
    )
    issued = AUTHORITY.issue_worker(certificates.load_csr(hostile), "acme", "w1", NOW)

    assert certificates.worker_identity(der(issued.pem)) == certificates.WorkerIdentity(
        "acme", "w1", issued.serial
    )

    certificate = x509.load_pem_x509_certificate(issued.pem.encode())
    assert certificate.subject == x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "w1")])
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert b"other" not in der(issued.pem)


def test_a_request_over_a_key_that_the_sender_does_not_hold_is_refused() -> None:
    stolen = der_of_public_key(ec.generate_private_key(ec.SECP256R1()))
    mine = der_of_public_key(x509.load_pem_x509_csr(HONEST_CSR.encode()))

    forged = csr_der().replace(mine, stolen)

    assert forged != csr_der()
    with pytest.raises(InvalidInput, match="not signed by its own key"):
        certificates.load_csr(armoured(forged))


def der_of_public_key(owner) -> bytes:
    return owner.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


@pytest.mark.parametrize(
    "pem",
    [
        "",
        "hello",
        "\0",
        "\udcff",
        HONEST_KEY,
        AUTHORITY.cert_pem,
        armoured(b""),
        HONEST_CSR[:-80],
        HONEST_CSR.replace("M", "?", 1),
    ],
)
def test_what_is_no_request_is_refused_with_a_clear_message(pem: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be read"):
        certificates.load_csr(pem)


def test_an_overlong_request_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(InvalidInput, match="too long"):
        certificates.load_csr(HONEST_CSR + "\n" * certificates.MAX_CSR_CHARACTERS)


SIGNED_PART = x509.load_pem_x509_csr(HONEST_CSR.encode()).tbs_certrequest_bytes
SIGNED_AT = csr_der().index(SIGNED_PART)


def altered_csr(position: int, flip: int) -> str:
    altered = bytearray(csr_der())
    altered[position] ^= flip
    return armoured(bytes(altered))


@given(st.integers(0, len(SIGNED_PART) - 1), st.integers(1, 255))
@settings(max_examples=300)
def test_no_altered_byte_of_what_a_request_says_passes(offset: int, flip: int) -> None:
    with pytest.raises(InvalidInput):
        certificates.load_csr(altered_csr(SIGNED_AT + offset, flip))


@given(st.integers(SIGNED_AT + len(SIGNED_PART), len(csr_der()) - 1), st.integers(1, 255))
@settings(max_examples=300)
def test_an_altered_signature_is_refused_or_proves_the_same_key_in_other_words(
    position: int, flip: int
) -> None:
    # A BIT STRING may count more unused bits than it has to: the signature in it is the same then.
    try:
        key = certificates.load_csr(altered_csr(position, flip))
    except InvalidInput:
        return
    assert key == x509.load_pem_x509_csr(HONEST_CSR.encode()).public_key()


# --- who a certificate names

URI = ("URI", "spiffe://opsicle/org/acme/worker/w1")


def test_a_worker_is_known_from_the_certificate_that_it_was_issued() -> None:
    issued = AUTHORITY.issue_worker(certificates.load_csr(HONEST_CSR), "acme", "wrk_01", NOW)
    identity = certificates.worker_identity(der(issued.pem))

    assert identity == certificates.WorkerIdentity(
        org="acme", worker_id="wrk_01", serial=issued.serial
    )


def test_a_server_certificate_names_no_worker() -> None:
    cert_pem, _ = AUTHORITY.issue_server([], NOW)
    with pytest.raises(NotAuthenticated):
        certificates.worker_identity(der(cert_pem))


def test_the_ca_itself_names_no_worker() -> None:
    with pytest.raises(NotAuthenticated):
        certificates.worker_identity(der(AUTHORITY.cert_pem))


def test_a_certificate_for_more_than_clients_names_no_worker() -> None:
    """Not even with a worker's name in it: what we issue to workers is for clients alone."""
    key = ec.generate_private_key(ec.SECP256R1())
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
    builder = (
        x509.CertificateBuilder(
            x509.Name([]), x509.Name([]), key.public_key(), 1, NOW, NOW + timedelta(days=1)
        )
        .add_extension(
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier(URI[1])]), critical=True
        )
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    )
    certificate = builder.sign(key, hashes.SHA256())

    with pytest.raises(NotAuthenticated):
        certificates.worker_identity(certificate.public_bytes(serialization.Encoding.DER))


@pytest.mark.parametrize(
    "certificate", [b"", b"not DER", {}, {"subjectAltName": (), "serialNumber": "01"}]
)
def test_what_is_no_certificate_names_no_worker(certificate) -> None:
    with pytest.raises(NotAuthenticated):
        certificates.worker_identity(certificate)


@pytest.mark.parametrize(
    "names",
    [
        (URI, URI),
        (URI, ("DNS", "w1")),
        (("DNS", URI[1]),),
        (("URI", URI[1] + "/"),),
        (("URI", URI[1] + "\n"),),
        (("URI", URI[1] + "?a"),),
        (("URI", URI[1].upper()),),
        (("URI", "x" + URI[1]),),
        (("URI", "spiffe://opsicle/org/acme/worker/"),),
        (("URI", "spiffe://opsicle/org/a/b/worker/w1"),),
        (("URI", "spiffe://opsicle/org/acme/worker/w%31"),),
        (("URI", "spiffe://elsewhere/org/acme/worker/w1"),),
        (("URI", "spiffe://opsicle:1/org/acme/worker/w1"),),
        (("URI", "spiffe://opsicle/org/acme/worker/w\uff11"),),
    ],
)
def test_only_exactly_one_well_formed_uri_names_a_worker(
    names: tuple[tuple[str, str], ...],
) -> None:
    with pytest.raises(NotAuthenticated):
        certificates.worker_identity({"subjectAltName": names, "serialNumber": "01"})


# --- a given TLS certificate and key


CERT_PEM, KEY_PEM = AUTHORITY.issue_server(["ops.example"], NOW)


def test_a_chain_is_judged_by_its_first_certificate() -> None:
    certificates.check_pair(CERT_PEM + AUTHORITY.cert_pem, KEY_PEM, NOW)
    with pytest.raises(InvalidInput, match="does not belong"):
        certificates.check_pair(AUTHORITY.cert_pem + CERT_PEM, KEY_PEM, NOW)


@pytest.mark.parametrize(
    ("cert_pem", "key_pem", "at", "message"),
    [
        (CERT_PEM, HONEST_KEY, NOW, "does not belong to the certificate"),
        (CERT_PEM, KEY_PEM, NOW + timedelta(days=90), "expired on 2026-05-30 12:00 UTC"),
        (CERT_PEM, KEY_PEM, NOW - timedelta(hours=25), "not valid before 2026-02-28 12:00 UTC"),
        ("", KEY_PEM, NOW, "certificate cannot be read"),
        (KEY_PEM, KEY_PEM, NOW, "certificate cannot be read"),
        (CERT_PEM, CERT_PEM, NOW, "private key cannot be read"),
        (CERT_PEM, KEY_PEM[:90], NOW, "private key cannot be read"),
    ],
)
def test_a_pair_that_cannot_serve_is_refused_with_the_reason(
    cert_pem: str, key_pem: str, at: datetime, message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        certificates.check_pair(cert_pem, key_pem, at)


def test_a_key_with_a_pass_phrase_is_refused_with_the_reason() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    encryption = serialization.BestAvailableEncryption(b"sesame")
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    ).decode()

    with pytest.raises(InvalidInput, match="pass phrase"):
        certificates.check_pair(CERT_PEM, pem, NOW)

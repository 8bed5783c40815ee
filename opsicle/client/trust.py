"""Whom a client believes to be its server: the system's CAs, or exactly one certificate.

That one is known by its fingerprint: `sha256:` and the hex SHA-256 of the certificate in DER. It
comes from whoever runs the server (`server.json`, or inside the setup token), so that a man in the
middle cannot choose it.
"""

from __future__ import annotations

import hashlib
import re
import ssl

from opsicle.domain.errors import InvalidInput, OpsicleError, Unreachable

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_SHA256_HEX = re.compile(r"[0-9a-f]{64}")

# OpenSSL's verify codes (include/openssl/x509_vfy.h.in)
_NOT_YET_VALID, _EXPIRED = 9, 10
_UNKNOWN_ISSUER = frozenset({2, 18, 19, 20, 21})
_OTHER_NAME = frozenset({62, 64})


def tls_context(ca_pem: str = "") -> ssl.SSLContext:
    """Return what a connection is verified with: this one CA if given, else the system's.

    Host names are always checked.
    """
    if not ca_pem:
        return ssl.create_default_context()
    try:
        context = ssl.create_default_context(cadata=ca_pem)
    except ssl.SSLError as error:
        raise InvalidInput("the CA certificate cannot be read", hint="It must be PEM.") from error

    # The certificate that a person vouched for is the root, be it self-signed or an intermediate
    # one. OpenSSL's strict mode (on from Python 3.13) refuses older companies' CAs for fields that
    # say nothing about trust.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT

    return context


def unverified_context() -> ssl.SSLContext:
    """Return what the one request is made with that fetches the CA.

    Its fingerprint is compared afterwards. Send no secret over this.
    """
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def fingerprint(certificate_pem: str) -> str:
    """Return `sha256:` and the hex SHA-256 over the certificate's DER. Raises InvalidInput."""
    try:
        der = ssl.PEM_cert_to_DER_cert(certificate_pem.strip())
    except ValueError as error:
        raise InvalidInput("the CA certificate cannot be read", hint="It must be PEM.") from error
    return "sha256:" + hashlib.sha256(der).hexdigest()


def parse_fingerprint(text: str) -> str:
    """Return the fingerprint in the form we compare.

    Upper case and colons between the bytes are fine. Raises InvalidInput.
    """
    digits = text.strip().lower().removeprefix("sha256:").replace(":", "")
    if not _SHA256_HEX.fullmatch(digits):
        raise InvalidInput(
            "the CA fingerprint must be `sha256:` and 64 hexadecimal digits",
            hint="It stands in `server.json` in the server's data folder.",
        )
    return "sha256:" + digits


def certificates(pem: str) -> list[str]:
    """Return the certificates of a PEM text, one by one."""
    return [match[0] + "\n" for match in _CERTIFICATE.finditer(pem)]


def matching_certificate(pem: str, expected: str) -> str:
    """Return the certificate of `pem` that has this fingerprint.

    Raises Unreachable if none has: somebody is in between.
    """
    for certificate in certificates(pem):
        if fingerprint(certificate) == expected:
            return certificate
    raise Unreachable(
        "the server does not have the CA with that fingerprint",
        hint="Check the address and the fingerprint. "
        "If both are right, someone is between you and the server.",
    )


def is_unknown_issuer(error: OpsicleError) -> bool:
    """Return whether a connection failed only because the server's CA is not trusted here."""
    cause = error.__cause__
    return isinstance(cause, ssl.SSLCertVerificationError) and cause.verify_code in _UNKNOWN_ISSUER


def is_certificate_refused(error: OpsicleError) -> bool:
    """Return whether a connection failed because of who the server says it is.

    Then trying again will not help.
    """
    return isinstance(error.__cause__, ssl.SSLCertVerificationError)


def refused_certificate(error: ssl.SSLCertVerificationError, host: str) -> Unreachable:
    """Say in a person's words why the server's certificate was not accepted."""
    code = error.verify_code
    if code == _EXPIRED:
        return Unreachable(
            "the server's certificate has expired",
            hint="Renew it there. Is this machine's clock right?",
        )
    if code == _NOT_YET_VALID:
        return Unreachable(
            "the server's certificate is not valid yet", hint="Is this machine's clock right?"
        )
    if code in _OTHER_NAME:
        return Unreachable(
            f"the server's certificate is not for {host}",
            hint="Use the name or address that it was made for.",
        )
    if code in _UNKNOWN_ISSUER:
        return Unreachable(
            "the server's certificate does not come from a CA that is trusted here",
            hint="Log in with `--ca-fingerprint`; "
            "it stands in `server.json` in the server's data folder.",
        )
    return Unreachable(f"the server's certificate was refused: {error.verify_message}")

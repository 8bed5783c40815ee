"""TLS as a worker speaks it.

1.3 with its own certificate, trusting the one CA with which it enrolled and no other.
"""

from __future__ import annotations

import os
import socket
import ssl
from contextlib import suppress
from urllib.parse import urlsplit

from opsicle.worker.identity import Identity

_PROBE_SECONDS = 5.0

_NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL, which Python has no name for."""

_NOT_YET_VALID, _HAS_EXPIRED = 9, 10
"""X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED."""


def worker_context(identity: Identity, *, checks_time: bool = True) -> ssl.SSLContext:
    """Return what connections are made with.

    Without `checks_time` the server's certificate may be of another time.

    Who takes part is proven either way; see `Connection.report_clock` for what the second kind is
    good for.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    if not checks_time:
        context.verify_flags |= ssl.VerifyFlags(_NO_CHECK_TIME)
    context.load_verify_locations(cadata=identity.ca_pem)
    # OpenSSL takes our key from a file only. This one is in memory, so that the key lies on no disk
    # a second time.
    fd = os.memfd_create("opsicle-identity", os.MFD_CLOEXEC)

    try:
        os.write(fd, (identity.key_pem + identity.certificate_pem).encode())
        context.load_cert_chain(f"/proc/self/fd/{fd}")
    finally:
        os.close(fd)

    return context


def is_server_there(identity: Identity) -> bool:
    """Return whether this worker's server answers at an address that the identity knows."""
    context = worker_context(identity, checks_time=False)
    for url in identity.urls:
        parts = urlsplit(url)
        address = (parts.hostname or "", parts.port or 443)
        with (
            suppress(OSError),
            socket.create_connection(address, _PROBE_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=identity.server_name),
        ):
            return True

    return False


def is_about_time(error: BaseException) -> bool:
    """Return whether the server's certificate is right save for the time.

    One of the two clocks is wrong, or it is old.
    """
    return isinstance(error, ssl.SSLCertVerificationError) and error.verify_code in {
        _NOT_YET_VALID,
        _HAS_EXPIRED,
    }


def says_expired(error: BaseException) -> bool:
    """Return whether the server refused our certificate as expired by its clock."""
    return isinstance(error, ssl.SSLError) and "CERTIFICATE_EXPIRED" in (error.reason or "")

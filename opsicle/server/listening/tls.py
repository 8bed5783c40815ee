"""The certificates that the two listeners show, and their renewal while they run."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from ssl import CERT_REQUIRED, PROTOCOL_TLS_SERVER, TLSVersion

from gevent.ssl import SSLContext

from opsicle.domain.errors import InvalidInput
from opsicle.pki import certificates
from opsicle.pki.authority import Authority
from opsicle.server.data_folder import DataFolder

RENEW_BEFORE = timedelta(days=30)


class Tls:
    """Both listeners' TLS. What it changes holds for new connections; open ones stay as they are."""

    def __init__(self, folder: DataFolder, authority: Authority, names: tuple[str, ...], now: datetime) -> None:
        """Issue a certificate of our own CA for `names`. Raises InvalidInput for one that cannot stand in it."""
        self._folder = folder
        self._authority = authority
        self._names = names
        self._issue(now)
        self.worker_context = _worker_context(folder.listener_pem, authority.cert_pem)
        self.own_context = _user_context(folder.listener_pem)

    def renew_if_due(self, now: datetime) -> None:
        """Issue the next certificate of our own in good time, also if this one came from a clock that was ahead."""
        if now >= self._expires_at - RENEW_BEFORE or now < self._issued_at:
            self._issue(now)
            self.worker_context.load_cert_chain(self._folder.listener_pem)
            self.own_context.load_cert_chain(self._folder.listener_pem)

    def _issue(self, now: datetime) -> None:
        certificate, key = self._authority.issue_server(self._names, now)
        self._folder.write_listener_pem(certificate, key)
        self._issued_at, self._expires_at = now, certificates.expires_at(certificate)


class GivenCertificate:
    """A certificate and key in files that somebody else looks after, read again when they change."""

    def __init__(self, certificate: Path, key: Path, now: datetime) -> None:
        """Raises InvalidInput if the files cannot be read, do not belong together or are not valid at `now`."""
        self._certificate = certificate
        self._key = key
        self._seen = _modified(certificate, key)
        chain = self._check(now)
        self.context = _user_context(certificate, key)
        self.trusted_pem = chain[-1]

    def reload_if_changed(self, now: datetime) -> None:
        """Take what the files hold now. Raises InvalidInput, and goes on as before, if it cannot be used."""
        seen = _modified(self._certificate, self._key)
        if seen != self._seen:
            self._check(now)
            self.context.load_cert_chain(self._certificate, self._key)
            self._seen = seen

    def _check(self, now: datetime) -> list[str]:
        text = _read(self._certificate)
        certificates.check_pair(text, _read(self._key), now)
        return _split(text)


def _user_context(certificate: Path, key: Path | None = None) -> SSLContext:
    """TLS for browsers and the command line: 1.2 and up."""
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.minimum_version = TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(certificate, key)
    return context


def _worker_context(certificate_and_key: Path, ca_pem: str) -> SSLContext:
    """TLS for workers: 1.3, and only with a certificate of our own CA."""
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.minimum_version = TLSVersion.TLSv1_3
    context.verify_mode = CERT_REQUIRED
    context.load_verify_locations(cadata=ca_pem)
    context.load_cert_chain(certificate_and_key)
    context.num_tickets = 0  # every connection proves itself anew
    return context


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not PEM") from error


def _modified(*paths: Path) -> tuple[int, ...]:
    return tuple(path.stat().st_mtime_ns if path.exists() else 0 for path in paths)


def _split(chain: str) -> list[str]:
    """The certificates in a PEM text, one text each."""
    end = "-----END CERTIFICATE-----\n"
    return [f"{part.strip()}\n{end}" for part in f"{chain}\n".split(end)[:-1]]

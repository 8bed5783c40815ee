"""The certificates that the two listeners show, and their renewal while they run."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from ssl import CERT_REQUIRED, PROTOCOL_TLS_SERVER, TLSVersion

from gevent.ssl import SSLContext

from opsicle.domain.errors import InvalidInput, NotAllowed
from opsicle.security import certificates
from opsicle.security.authority import Authority
from opsicle.server.data_folder import DataFolder
from opsicle.server.keys.key_files import check_not_public

RENEW_BEFORE = timedelta(days=30)

WARN_BEFORE = timedelta(days=14)
"""Or in the last quarter of its life, if that is shorter."""

TLS_VERSIONS = {"1.2": TLSVersion.TLSv1_2, "1.3": TLSVersion.TLSv1_3}

_TLS_1_2_SUITES = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""No suite in CBC mode, and none whose past traffic a stolen key would open. Those of TLS 1.3 are
all of this kind."""


class Tls:
    """Both listeners' TLS.

    What it changes holds for new connections; open ones stay as they are.
    """

    def __init__(
        self,
        folder: DataFolder,
        authority: Authority,
        names: tuple[str, ...],
        now: datetime,
        minimum: TLSVersion = TLSVersion.TLSv1_2,
    ) -> None:
        """Issue a certificate of our own CA for `names`.

        Raises InvalidInput for one that cannot stand in it.
        """
        self._folder = folder
        self._authority = authority
        self._names = names
        self._issue(now)
        self.worker_context = _worker_context(folder.listener_pem, authority.cert_pem)
        self.own_context = _user_context(folder.listener_pem, None, minimum)

    def renew_if_due(self, now: datetime) -> None:
        """Issue the next certificate in good time, also after a clock that was ahead."""
        if now >= self._expires_at - RENEW_BEFORE or now < self._issued_at:
            self._issue(now)
            self.worker_context.load_cert_chain(self._folder.listener_pem)
            self.own_context.load_cert_chain(self._folder.listener_pem)

    @property
    def expires_at(self) -> datetime:
        """When the certificate of our own that is shown now ends."""
        return self._expires_at

    def _issue(self, now: datetime) -> None:
        certificate, key = self._authority.issue_server(self._names, now)
        self._folder.write_listener_pem(certificate, key)
        self._issued_at, self._expires_at = now, certificates.expires_at(certificate)


class GivenCertificate:
    """A certificate and key in files that somebody else looks after, read again when they change.

    One that is not valid now is shown all the same: browsers then warn their people, while
    automations, which do not depend on it, go on. `warning` has the sentence for those who can have
    it renewed.
    """

    def __init__(
        self, certificate: Path, key: Path, minimum: TLSVersion = TLSVersion.TLSv1_2
    ) -> None:
        """Read the certificate and its key.

        Raises InvalidInput if they cannot be read or do not belong together, NotAllowed for a key
        that is public.
        """
        self._certificate = certificate
        self._key = key
        self._refused: tuple[int, ...] = ()
        self._seen = _modified(certificate, key)
        chain = self._check()
        self.context = _user_context(certificate, key, minimum)
        self._take(chain)

    def reload_if_changed(self) -> bool:
        """Take what the files hold now, if they have changed.

        Raises InvalidInput and goes on as before if it cannot.

        What cannot be used is complained of once, and tried again: its other half may be on its
        way.
        """
        seen = _modified(self._certificate, self._key)
        if seen == self._seen:
            return False

        try:
            chain = self._check()
            self.context.load_cert_chain(self._certificate, self._key)
        except (InvalidInput, NotAllowed, OSError) as error:
            has_changed, self._refused = seen != self._refused, seen
            if has_changed:
                raise InvalidInput(f"the new {self._certificate} is not taken: {error}") from error
            return False

        self._seen = seen
        self._take(chain)
        return True

    def warning(self, now: datetime) -> str:
        """Return what is wrong with its time, or soon will be; "" if nothing is."""
        name = "the certificate for people (--tls-cert)"
        start = certificates.shown_time(self._starts_at)
        end = certificates.shown_time(self.expires_at)

        if now >= self.expires_at:
            return f"{name} expired on {end}: replace the file"
        if now < self._starts_at:
            return f"{name} is not valid before {start}: is this machine's clock right?"
        if now >= self.expires_at - min(WARN_BEFORE, (self.expires_at - self._starts_at) / 4):
            return f"{name} expires on {end}: replace the file before that"
        return ""

    def _take(self, chain: list[str]) -> None:
        self.trusted_pem = chain[-1]
        self.expires_at = certificates.expires_at(chain[0])
        self._starts_at = certificates.starts_at(chain[0])

    def _check(self) -> list[str]:
        text = _read(self._certificate)
        certificates.check_match(text, _read(self._key))
        check_not_public(self._key)
        return _split(text)


def _user_context(certificate: Path, key: Path | None, minimum: TLSVersion) -> SSLContext:
    """TLS for browsers and the command line.

    It begins with 1.2, of which forward secrecy and authenticated encryption are demanded.
    """
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.minimum_version = minimum
    context.set_ciphers(_TLS_1_2_SUITES)
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
    """Return the certificates in a PEM text, one text each."""
    end = "-----END CERTIFICATE-----\n"
    return [f"{part.strip()}\n{end}" for part in f"{chain}\n".split(end)[:-1]]

"""What whoever starts the server may decide."""

from __future__ import annotations

import ipaddress
import re
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Literal

import msgspec

from opsicle.domain.errors import InvalidInput
from opsicle.domain.networks import parse_network
from opsicle.domain.workers import EPHEMERAL_SILENT_SECONDS
from opsicle.server.public_urls import check_url
from opsicle.wire.worker_api import LEASE_SECONDS, MAX_STANDBY_URLS

DEFAULT_LISTEN = "0.0.0.0:8443"
DEFAULT_WORKER_LISTEN = "0.0.0.0:8444"
LEAST_RETENTION_DAYS = 7

_MOST_DAYS = 36_500
_MOST_MIB = 1 << 30
_MOST_COUNT = 1_000_000_000
"""A hundred years, a pebibyte, and so many automations: beyond that it is a slip, and no clock
could subtract it."""

UNIX_PREFIX = "unix:"
_MOST_UNIX_PATH_BYTES = 107
"""What the kernel takes (`sun_path` of unix(7), less its end)."""

_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?")
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class Address(msgspec.Struct, frozen=True):
    """Where to listen: host and port, or the path of a Unix socket."""

    host: str = ""
    port: int = 0
    path: str = ""

    @property
    def is_private(self) -> bool:
        """Whether nobody outside this machine reaches it."""
        return bool(self.path) or self.host in _LOOPBACK

    def __str__(self) -> str:
        if self.path:
            return f"{UNIX_PREFIX}{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class ServerOptions(msgspec.Struct, frozen=True):
    """The options of `opsicle server`.

    `names` are further DNS names and addresses under which people and workers reach the server;
    they stand in its certificates, the first of them in its URLs. `url` and `worker_url` say what
    the URLs are where a proxy or a port mapping stands between; `standby_worker_urls` is where
    workers find whoever takes over from this server. `audit_retention_days` None keeps
    the record for ever, `automation_retention_days` 0 automations that have ended;
    `automation_retention_count` is how many of these each org keeps at most. `compact` writes the
    databases anew at this start. `master_key_file` is used instead of the data folder's own.
    `open_orgs` lets everybody who is logged in found orgs. `accept_restored` takes a data folder
    that holds less than its server has had, or releases the queue that is held since. `plain_http`
    is for the demo: without TLS, on loopback only. `socket_group` owns the Unix sockets that are
    listened on. `metrics_listen` is where figures are shown without a login, "" nowhere. `tls_min`
    is 1.2 or 1.3. `job_log_mib` bounds the log of one job, `org_logs_mib` what all logs of one org
    take on disk. `artifact_mib`, `job_artifacts_mib` and `org_artifacts_mib` bound one file that a
    job leaves behind, all of one job, and what all of one org take. `allow_egress` are the
    networks, beside the public ones, that an org may allow its channels to reach. The record is
    forwarded to the syslog collector at `forward_syslog`, whose certificate is checked by
    `forward_syslog_ca` or the system's CAs, and into `forward_file`. Ephemeral workers that were
    silent for `ephemeral_silent_seconds` are ended. `replica` is the folder with a standby's
    replica of the databases, looked at for how far it is behind.
    """

    data_dir: Path
    listen: str = DEFAULT_LISTEN
    worker_listen: str = DEFAULT_WORKER_LISTEN
    names: tuple[str, ...] = ()
    url: str = ""
    worker_url: str = ""
    standby_worker_urls: tuple[str, ...] = ()
    tls_cert: Path | None = None
    tls_key: Path | None = None
    behind_proxy: bool = False
    plain_http: bool = False
    log_retention_days: int = 90
    job_log_mib: int = 1024
    org_logs_mib: int = 20 * 1024
    ephemeral_silent_seconds: int = EPHEMERAL_SILENT_SECONDS
    artifact_retention_days: int = 90
    artifact_mib: int = 100
    job_artifacts_mib: int = 1024
    org_artifacts_mib: int = 20 * 1024
    audit_retention_days: int | None = None
    automation_retention_days: int = 365
    automation_retention_count: int | None = None
    compact: bool = False
    master_key_file: Path | None = None
    open_orgs: bool = False
    accept_restored: bool = False
    socket_group: str = ""
    metrics_listen: str = ""
    tls_min: Literal["1.2", "1.3"] = "1.2"
    allow_egress: tuple[str, ...] = ()
    forward_syslog: str = ""
    forward_syslog_ca: Path | None = None
    forward_file: Path | None = None
    replica: Path | None = None
    is_verbose: bool = False

    def check(self) -> None:
        """Raise InvalidInput for options that contradict each other or leave out TLS."""
        if (self.tls_cert is None) != (self.tls_key is None):
            raise InvalidInput(
                "--tls-cert and --tls-key belong together", hint="Give both or none."
            )
        if self.is_plain and self.tls_cert:
            raise InvalidInput("--behind-proxy means plain HTTP, so there is no use for --tls-cert")

        address = parse_address(self.listen)
        if self.is_plain and not address.is_private:
            raise InvalidInput(
                f"plain HTTP on {address} could be read by others",
                hint="Listen on 127.0.0.1 or unix:/path, or drop --behind-proxy.",
            )
        if address.path and not self.is_plain:
            raise InvalidInput(
                "a Unix socket is for a proxy on this machine", hint="Add --behind-proxy."
            )
        if parse_address(self.worker_listen).path:
            raise InvalidInput(
                "workers cannot reach a Unix socket", hint="Give --worker-listen a host and port."
            )

        self._check_metrics(address)
        self._check_urls()
        _check_networks(self.allow_egress)
        self._check_retention()
        if self.ephemeral_silent_seconds < LEASE_SECONDS:
            raise InvalidInput(f"--ephemeral-silent-seconds must be at least {LEASE_SECONDS}")
        self._check_artifacts()
        self._check_forwarding()

    def _check_forwarding(self) -> None:
        if self.collector is None and self.forward_syslog_ca:
            raise InvalidInput("--forward-syslog-ca is for --forward-syslog, which is not there")
        if self.forward_syslog_ca and not self.forward_syslog_ca.is_file():
            raise InvalidInput(f"--forward-syslog-ca {self.forward_syslog_ca} is no file")
        if self.forward_file and not self.forward_file.absolute().parent.is_dir():
            raise InvalidInput(
                f"--forward-file {self.forward_file} is in a folder that is not there",
                hint="Make the folder, and let the server write to it.",
            )

    @property
    def collector(self) -> Address | None:
        """Where the record is forwarded to by syslog; None is nowhere. Raises InvalidInput."""
        if not self.forward_syslog:
            return None
        with suppress(InvalidInput):
            address = parse_address(self.forward_syslog)
            if address.port and not self.forward_syslog.startswith(":"):
                return address
        raise InvalidInput(
            f"--forward-syslog {self.forward_syslog[:200]!r} is no host and port of a collector",
            hint="Write it as logs.example.com:6514.",
        )

    def _check_retention(self) -> None:
        bounds = {
            "--log-retention-days": (self.log_retention_days, _MOST_DAYS),
            "--audit-retention-days": (self.audit_retention_days, _MOST_DAYS),
            "--automation-retention-days": (self.automation_retention_days, _MOST_DAYS),
            "--automation-retention-count": (self.automation_retention_count, _MOST_COUNT),
            "--job-log-mib": (self.job_log_mib, _MOST_MIB),
            "--org-logs-mib": (self.org_logs_mib, _MOST_MIB),
            "--artifact-retention-days": (self.artifact_retention_days, _MOST_DAYS),
            "--artifact-mib": (self.artifact_mib, _MOST_MIB),
            "--job-artifacts-mib": (self.job_artifacts_mib, _MOST_MIB),
            "--org-artifacts-mib": (self.org_artifacts_mib, _MOST_MIB),
            "--ephemeral-silent-seconds": (self.ephemeral_silent_seconds, 86_400),
        }

        for option, (value, most) in bounds.items():
            if value is not None and value > most:
                raise InvalidInput(f"{option} must be at most {most}")

        if self.log_retention_days < 1:
            raise InvalidInput("--log-retention-days must be at least 1")

        if not 1 <= self.job_log_mib <= self.org_logs_mib:
            raise InvalidInput(
                f"--job-log-mib {self.job_log_mib} must be at least 1 and no more than "
                f"--org-logs-mib {self.org_logs_mib}, as one job's log is a part of its org's"
            )
        if self.audit_retention_days is not None and self.audit_retention_days < 1:
            raise InvalidInput("--audit-retention-days must be at least 1")

        if self.automation_retention_days and self.automation_retention_days < LEAST_RETENTION_DAYS:
            raise InvalidInput(
                f"--automation-retention-days must be at least {LEAST_RETENTION_DAYS}",
                hint="Until then a request may be sent again, and a worker may come back; "
                "0 keeps all for ever.",
            )
        if self.automation_retention_count is not None and self.automation_retention_count < 1:
            raise InvalidInput("--automation-retention-count must be at least 1")

    def _check_artifacts(self) -> None:
        if not 1 <= self.artifact_mib <= self.job_artifacts_mib <= self.org_artifacts_mib:
            raise InvalidInput(
                f"--artifact-mib {self.artifact_mib}, --job-artifacts-mib "
                f"{self.job_artifacts_mib} and --org-artifacts-mib {self.org_artifacts_mib} must "
                "be at least 1, and none larger than the next"
            )
        if self.artifact_retention_days < LEAST_RETENTION_DAYS:
            raise InvalidInput(f"--artifact-retention-days must be at least {LEAST_RETENTION_DAYS}")

    def _check_metrics(self, listen: Address) -> None:
        metrics = parse_address(self.metrics_listen) if self.metrics_listen else None
        if metrics and not metrics.is_private:
            raise InvalidInput(
                f"--metrics-listen {metrics} would show figures about all orgs to everybody",
                hint="Listen on 127.0.0.1 or unix:/path.",
            )

        if self.socket_group and not (listen.path or (metrics and metrics.path)):
            raise InvalidInput(
                "--socket-group is for a Unix socket, and none is listened on",
                hint="Add --listen unix:/path.",
            )

    def _check_urls(self) -> None:
        if self.url:
            check_url("--url", self.url, "https://ops.example.com")
        if self.worker_url:
            check_url(
                "--worker-url", self.worker_url, "https://ops.example.com:8444", takes_plain=False
            )
        for url in self.standby_worker_urls:
            check_url(
                "--standby-worker-url", url, "https://standby.example.com:8444", takes_plain=False
            )
        if len(self.standby_worker_urls) > MAX_STANDBY_URLS:
            raise InvalidInput(f"--standby-worker-url can be given {MAX_STANDBY_URLS} times")

    @property
    def keep_logs(self) -> timedelta:
        """How long the logs of jobs are kept."""
        return timedelta(days=self.log_retention_days)

    @property
    def keep_audit(self) -> timedelta | None:
        """How long audit entries are kept; None is for ever."""
        return (
            None if self.audit_retention_days is None else timedelta(days=self.audit_retention_days)
        )

    @property
    def keep_automations(self) -> timedelta | None:
        """How long automations that have ended are kept; None is for ever."""
        return (
            timedelta(days=self.automation_retention_days)
            if self.automation_retention_days
            else None
        )

    @property
    def is_plain(self) -> bool:
        """Whether the users' listener speaks HTTP without TLS."""
        return self.behind_proxy or self.plain_http


def parse_address(text: str) -> Address:
    """Return the address in `host:port`, `[v6]:port`, `:port` (every address) or `unix:/path`.

    Raises InvalidInput.
    """
    if text.startswith(UNIX_PREFIX):
        path = text[len(UNIX_PREFIX) :]
        if not path.startswith("/"):
            raise InvalidInput(
                f"the socket's path in {text!r} is not absolute",
                hint="Write it as unix:/run/opsicle.",
            )
        if len(path.encode("utf-8", "surrogateescape")) > _MOST_UNIX_PATH_BYTES:
            raise InvalidInput(
                f"the socket's path in {text!r} is longer than {_MOST_UNIX_PATH_BYTES} bytes"
            )
        return Address(path=path)

    host, colon, port = text.rpartition(":")
    is_bracketed = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if is_bracketed else host
    is_port = (
        colon and port.isdecimal() and port.isascii() and len(port) <= 5 and int(port) <= 65535
    )
    if not is_port or not _is_host(host, is_bracketed=is_bracketed):
        raise InvalidInput(
            f"{text[:200]!r} is no address to listen on",
            hint="Write it as host:port or [::1]:port; port 0 picks one.",
        )
    every = "0.0.0.0"  # noqa: S104 - every address is what `:port` asks for
    return Address(host=host or every, port=int(port))


def _is_host(host: str, *, is_bracketed: bool) -> bool:
    """Return whether it can be one: nothing, which is every address; an address.

    Or what may be a name.
    """
    if is_bracketed or ":" in host:
        try:
            return bool(ipaddress.IPv6Address(host))
        except ValueError:
            return False
    return not host or bool(_HOST.fullmatch(host))


def _check_networks(networks: tuple[str, ...]) -> None:
    for network in networks:
        try:
            parse_network(network)
        except ValueError as error:
            raise InvalidInput(
                f"--allow-egress {network[:80]!r} is no network",
                hint="It looks like --allow-egress 10.1.0.0/16",
            ) from error

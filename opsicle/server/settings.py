"""What whoever starts the server may decide."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from opsicle.domain.errors import InvalidInput

DEFAULT_LISTEN = "0.0.0.0:8443"
DEFAULT_WORKER_LISTEN = "0.0.0.0:8444"
UNIX_PREFIX = "unix:"
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True)
class Address:
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


@dataclass(frozen=True)
class ServerOptions:
    """The options of `opsicle server`.

    `names` are further DNS names and addresses under which people and workers reach the server; they stand in its
    certificates, the first of them in its URLs. `url` and `worker_url` say what the URLs are where a proxy or a
    port mapping stands between. `audit_retention_days` None keeps the record for ever. `master_key_file` is used
    instead of the data folder's own. `open_orgs` lets everybody who is logged in found orgs. `accept_restored` takes a
    data folder that holds less than its server has had, or releases the queue that is held since. `plain_http` is for
    the demo: without TLS, on loopback only.
    """

    data_dir: Path
    listen: str = DEFAULT_LISTEN
    worker_listen: str = DEFAULT_WORKER_LISTEN
    names: tuple[str, ...] = ()
    url: str = ""
    worker_url: str = ""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    behind_proxy: bool = False
    plain_http: bool = False
    log_retention_days: int = 90
    audit_retention_days: int | None = None
    master_key_file: Path | None = None
    open_orgs: bool = False
    accept_restored: bool = False
    is_verbose: bool = False

    def check(self) -> None:
        """Raise InvalidInput for options that contradict each other or would serve people without TLS."""
        if (self.tls_cert is None) != (self.tls_key is None):
            raise InvalidInput("--tls-cert and --tls-key belong together", hint="Give both or none.")
        if self.is_plain and self.tls_cert:
            raise InvalidInput("--behind-proxy means plain HTTP, so there is no use for --tls-cert")
        address = parse_address(self.listen)
        if self.is_plain and not address.is_private:
            raise InvalidInput(
                f"plain HTTP on {address} could be read by others",
                hint="Listen on 127.0.0.1 or unix:/path, or drop --behind-proxy.",
            )
        if address.path and not self.is_plain:
            raise InvalidInput("a Unix socket is for a proxy on this machine", hint="Add --behind-proxy.")
        if parse_address(self.worker_listen).path:
            raise InvalidInput("workers cannot reach a Unix socket", hint="Give --worker-listen a host and port.")
        if self.log_retention_days < 1:
            raise InvalidInput("--log-retention-days must be at least 1")
        if self.audit_retention_days is not None and self.audit_retention_days < 1:
            raise InvalidInput("--audit-retention-days must be at least 1")

    @property
    def keep_audit(self) -> timedelta | None:
        """How long audit entries are kept; None is for ever."""
        return None if self.audit_retention_days is None else timedelta(days=self.audit_retention_days)

    @property
    def is_plain(self) -> bool:
        """Whether the users' listener speaks HTTP without TLS."""
        return self.behind_proxy or self.plain_http


def parse_address(text: str) -> Address:
    """The address in `host:port`, `[v6]:port`, `:port` (every address) or `unix:/path`. Raises InvalidInput."""
    if text.startswith(UNIX_PREFIX):
        path = text[len(UNIX_PREFIX) :]
        if not path.startswith("/"):
            raise InvalidInput(f"the socket's path in {text!r} is not absolute", hint="Write it as unix:/run/opsicle.")
        return Address(path=path)
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not port.isdecimal() or not port.isascii() or int(port) > 65535:
        raise InvalidInput(f"{text!r} is no address to listen on", hint="Write it as host:port; port 0 picks one.")
    return Address(host=host or "0.0.0.0", port=int(port))  # noqa: S104 - every address is what `:port` asks for

"""By which names people and workers reach the server."""

from __future__ import annotations

from opsicle.server.settings import ServerOptions, parse_address

_EVERY_ADDRESS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - to tell them from real ones


class Addresses:
    """The server's URLs and the names in its certificates; `host_name` is this machine's own."""

    def __init__(self, options: ServerOptions, host_name: str) -> None:
        self._options = options
        self._host_name = host_name
        self._users = parse_address(options.listen)
        self._workers = parse_address(options.worker_listen)

    @property
    def certificate_names(self) -> tuple[str, ...]:
        """DNS names and addresses, besides the loopback's."""
        hosts = [
            host
            for host in (self._users.host, self._workers.host)
            if host and host not in _EVERY_ADDRESS
        ]
        return (*self._options.names, self._host_name, *hosts)

    def url(self, port: int) -> str:
        """Return what people type, where the users' listener has got this port."""
        scheme = "http" if self._options.is_plain else "https"
        return self._options.url.rstrip("/") or f"{scheme}://{self._host(self._users.host)}:{port}"

    def worker_url(self, port: int) -> str:
        """Return what workers are told at enrolment, where their listener has got this port."""
        return (
            self._options.worker_url.rstrip("/")
            or f"https://{self._host(self._workers.host)}:{port}"
        )

    def _host(self, listen_address: str) -> str:
        if self._options.names:
            host = self._options.names[0]
        else:
            host = self._host_name if listen_address in _EVERY_ADDRESS else listen_address
        return f"[{host}]" if ":" in host else host

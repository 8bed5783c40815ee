"""The URLs under which people and workers are told to come.

A scheme, a host, perhaps a port, and nothing else.

They stand in links and join tokens, and the pages ask for `/api/…` at the root of their host. So a
server under a path would not work, and is refused before it has told anybody to come there.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

import msgspec

from opsicle.domain.errors import InvalidInput

_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})*\.?")
_SAFE_WITHOUT_TLS = "localhost"


class Urls(msgspec.Struct):
    """Where this server is reached; set once its listeners are bound.

    At `standby_worker_urls` workers find whoever takes over from it.
    """

    url: str = ""
    worker_url: str = ""
    standby_worker_urls: tuple[str, ...] = ()

    @property
    def for_workers(self) -> tuple[str, ...]:
        """Every address that workers are to try, the server's own first."""
        own = (self.worker_url,) if self.worker_url else ()
        return (*own, *self.standby_worker_urls)


def check_url(option: str, url: str, example: str, *, takes_plain: bool = True) -> None:
    """Raise InvalidInput, with an example, unless the server can be reached by this URL.

    `takes_plain`: http:// will do where it leads to this machine itself.
    """
    wrong = _what_is_wrong(url, takes_plain)
    if wrong:
        raise InvalidInput(
            f"{option} {url[:200]!r} {wrong}", hint=f"It looks like {option} {example}"
        )


def _what_is_wrong(url: str, takes_plain: bool) -> str:
    """Return what to say of it, "" if nothing."""
    if not url.isascii() or not url.isprintable() or " " in url:
        return "holds characters that no host has; write a name with other letters in its xn-- form"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "has a port or an address that cannot be"
    if "?" in url or "#" in url:
        return "has something behind a host that no address of a server has"
    if parts.scheme not in ("https", "http") or "://" not in url:
        return "does not begin with https://"
    return _wrong_host(parts, takes_plain) or _wrong_rest(parts, port)


def _wrong_host(parts: SplitResult, takes_plain: bool) -> str:
    host = parts.hostname or ""
    if not _is_address(host) and not (_HOST.fullmatch(host) and len(host) <= 253):
        return "names no host"
    if parts.scheme == "http" and not (
        takes_plain and (host == _SAFE_WITHOUT_TLS or _is_loopback(host))
    ):
        return "is plain http://, which anybody on the way could read"
    return ""


def _wrong_rest(parts: SplitResult, port: int | None) -> str:
    if parts.username is not None or parts.password is not None:
        return "has a user name in it"
    if parts.path not in ("", "/"):
        return (
            "has a path, and the server answers only at the root of a host: "
            "give it a name of its own"
        )
    if port == 0 or parts.netloc.endswith(":"):
        return "has a colon without a port"
    return ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return "%" not in host


def _is_loopback(host: str) -> bool:
    return _is_address(host) and ipaddress.ip_address(host).is_loopback

"""Where this worker's server may be: what the worker was given, and what the server itself names.

Whatever address is used, what answers there must show a certificate of the CA with which this
worker enrolled, for the server's name. So an address proves nothing, and a wrong one costs time
alone. Only a server that has proven itself so can name others. The one in use is kept for as long
as it answers, whatever stands before it in the list.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

import msgspec

from opsicle.domain.errors import OpsicleError
from opsicle.wire.worker_api import MAX_STANDBY_URLS
from opsicle.worker.connection import ServerConnection
from opsicle.worker.identity import Identity, WorkerDataFolder

log = logging.getLogger(__name__)

_MOST_URLS = MAX_STANDBY_URLS + 1
_MOST_CHARACTERS = 300  # a host has 253 at most


class ServerAddresses:
    """Keeps the addresses in the identity, so that the next start needs no option to find them."""

    def __init__(self, folder: WorkerDataFolder, connection: ServerConnection) -> None:
        self._folder = folder
        self._connection = connection
        self._kept = ""

    def keep_current(self) -> None:
        """Keep the address at which the server was reached. Cheap where it is kept already."""
        url = self._connection.url
        if url == self._kept:
            return
        self._kept = url
        identity = self._folder.load_identity()
        if identity and identity.worker_url != url:
            self._save(with_first(identity, [url]))

    def learn(self, urls: Iterable[str]) -> None:
        """Take the addresses that the server names in the place of those that it named before."""
        identity = self._folder.load_identity()
        told = usable_urls(urls)
        if identity is None or identity.told_urls == told:
            return
        new = _with_told(identity, told)
        self._save(new)
        self._connection.know_urls(new.urls)

    def _save(self, identity: Identity) -> None:
        try:
            self._folder.save_identity(identity)
        except OpsicleError as error:
            log.warning("the server's addresses cannot be kept", extra={"reason": error.message})
        else:
            log.info("the server's addresses are kept", extra={"urls": identity.urls})


def is_usable(url: str) -> bool:
    """Return whether it is an https:// URL of a host."""
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def usable_urls(urls: Iterable[str]) -> tuple[str, ...]:
    """Return those that can be tried, each once, and not more than a few."""
    kept = [url for url in dict.fromkeys(urls) if len(url) <= _MOST_CHARACTERS and is_usable(url)]
    return tuple(kept[:_MOST_URLS])


def with_first(identity: Identity, urls: Sequence[str]) -> Identity:
    """Return the identity with these addresses to be tried first, in this order."""
    first, *more = dict.fromkeys((*urls, identity.worker_url, *identity.more_urls))
    return msgspec.structs.replace(identity, worker_url=first, more_urls=tuple(more[:_MOST_URLS]))


def _with_told(identity: Identity, told: tuple[str, ...]) -> Identity:
    """Return the identity with what the server names now.

    What it named before and names no more is not tried again, unless it is there right now.
    """
    withdrawn = {*identity.told_urls} - {*told}
    more = tuple(url for url in identity.more_urls if url not in withdrawn)
    return msgspec.structs.replace(identity, told_urls=told, more_urls=more)

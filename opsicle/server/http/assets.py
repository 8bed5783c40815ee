"""The browser's application.

Its files, and its one page for every address that is none of the API's.
"""

from __future__ import annotations

import gzip
import hashlib
from pathlib import PurePosixPath

import msgspec

from opsicle.domain.errors import NotFound
from opsicle.server.http.joining import PAGE, joined
from opsicle.server.http.routing import Reply, Request
from opsicle.server.http.translations import SOURCE, preferred

LANGUAGE_COOKIE = "opsicle-language"
"""What somebody chose, kept by the page: no secret, and all that the page may not know yet."""

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
_SHRINKING = frozenset({".css", ".html", ".js", ".json", ".svg", ".txt", ".webmanifest"})
_NOT_OURS = ("/api/", "/worker/")
_METHODS = ("GET", "HEAD")
_IMMUTABLE = "public, max-age=31536000, immutable"
_REVALIDATED = "no-cache"


class Asset(msgspec.Struct, frozen=True):
    """A file in memory; `packed` is empty where gzip would not help."""

    content: bytes
    packed: bytes
    etag: str
    content_type: str


class Assets:
    """Serves `assets/` from memory.

    What is asked for under the prefix of this very content is kept by browsers for good; of the
    rest they keep what they have and ask whether it is still right (ETag).
    """

    def __init__(self) -> None:
        self._files = joined()
        self._loaded: dict[str, Asset] = {}

    def __call__(self, request: Request) -> Reply:
        """Return the file at the request's path, or the application's page. Raises NotFound."""
        path = self._name(request)
        name = path.removeprefix(self._files.prefix)
        if name not in self._files.names:
            raise NotFound(
                "there is nothing at this address", hint="See /api/openapi.json for what there is."
            )

        asset = self._load(self._in_language(request) if name == PAGE else name)
        kept = _REVALIDATED if name in (path, PAGE) else _IMMUTABLE
        varies = f"Accept-Encoding{', Accept-Language, Cookie' if name == PAGE else ''}"
        headers = (("ETag", asset.etag), ("Cache-Control", kept), ("Vary", varies))
        if asset.etag in request.header("If-None-Match"):
            return Reply(304, headers=headers)
        if asset.packed and "gzip" in request.header("Accept-Encoding"):
            packed_headers = (*headers, ("Content-Encoding", "gzip"))
            return Reply(
                200, raw=asset.packed, headers=packed_headers, content_type=asset.content_type
            )
        return Reply(200, raw=asset.content, headers=headers, content_type=asset.content_type)

    def _name(self, request: Request) -> str:
        if request.method not in _METHODS or request.path.startswith(_NOT_OURS):
            return ""
        name = request.path.removeprefix("/")
        return name if "." in PurePosixPath(name).name else PAGE

    def _in_language(self, request: Request) -> str:
        """Return the page in the language that the person chose, else the browser's."""
        cookies = request.header("Cookie").split("; ")
        chosen = [each for each in self._files.languages if f"{LANGUAGE_COOKIE}={each}" in cookies]
        header = request.header("Accept-Language")
        language = chosen[0] if chosen else preferred(header, self._files.languages)
        return PAGE if language == SOURCE else f"{language}/{PAGE}"

    def _load(self, name: str) -> Asset:
        if name not in self._loaded:
            self._loaded[name] = _asset(name, self._files.content(name))
        return self._loaded[name]


def _asset(name: str, content: bytes) -> Asset:
    suffix = PurePosixPath(name).suffix
    packed = gzip.compress(content, mtime=0) if suffix in _SHRINKING else b""
    return Asset(
        content=content,
        packed=packed if len(packed) < len(content) else b"",
        etag=f'"{hashlib.sha256(content).hexdigest()[:32]}"',
        content_type=_TYPES.get(suffix, "application/octet-stream"),
    )

"""How an artifact may be shown in a page: as text, as a picture, or as HTML that can do nothing.

What a job left behind is anybody's: it must not act as the page that shows it, nor tell anybody
that it was looked at. So HTML comes with a policy that forbids scripts, forms and every load, for a
frame without an origin; and whatever in it would reach out beside that policy is taken out.
"""

from __future__ import annotations

import re
from typing import NamedTuple

MAX_TEXT_BYTES = 512 * 1024
MAX_PAGE_BYTES = 4 * 1024 * 1024
MAX_PICTURE_BYTES = 16 * 1024 * 1024

SIGNATURE_BYTES = 12
"""By which a picture is known."""

READ_BYTES = MAX_PAGE_BYTES + 1
"""As much of any other file as it takes to show it, or to know that it is too long."""

_PICTURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)
"""Of dots, not of instructions: an SVG is a document with scripts."""

_EXTERNAL = re.compile(rb"<(?=(?:link|meta)\b)", re.IGNORECASE)
"""Elements that may look up a name, open a connection or go elsewhere, beside the policy.

They become elements that mean nothing. Scripts and all that would be loaded the policy forbids.
"""

FRAME_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)


class InlineFile(NamedTuple):
    """What may be shown of a file, and as what."""

    content_type: str
    content: bytes


def inline_text(path: str, content: bytes) -> InlineFile | None:
    """Return a file of this path, no picture, as it may be shown; None if it cannot be.

    `content` are its first READ_BYTES.
    """
    if b"\0" in content[:MAX_TEXT_BYTES]:
        return None
    if path.lower().endswith((".html", ".htm")) and len(content) <= MAX_PAGE_BYTES:
        return _page(content)
    return InlineFile("text/plain; charset=utf-8", content[:MAX_TEXT_BYTES])


def _page(content: bytes) -> InlineFile | None:
    try:
        # In another encoding the elements below would not be found.
        content.decode()
    except UnicodeDecodeError:
        return InlineFile("text/plain; charset=utf-8", content[:MAX_TEXT_BYTES])
    return InlineFile("text/html; charset=utf-8", _EXTERNAL.sub(b"<x-", content))


def picture_type(start: bytes) -> str:
    """Return the type of a picture that starts so, "" for what is none."""
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for sign, kind in _PICTURES if start.startswith(sign)), "")

r"""The forms in which a secret may turn up in output.

What programs commonly make of a text before they print it.

All of them are found wherever they stand, for a value as a whole and without the white space around
it, and for the values in it that are worth masking by themselves (see secret_contents.py; of lines
only the forms that are text):

- as it is;
- base64, standard and URL-safe, with and without padding, at each of the three places where it can
  begin inside a longer text; and in the lines of 76 (`base64`) or 64 characters (`openssl`) into
  which it is cut if encoded alone;
- hexadecimal in lower and upper case, and in the lines of 60 into which `xxd -p` cuts it;
- URL-encoded with upper and lower hex digits, with `+` or `%20` for a space, with or without `/`
  and the punctuation that browsers leave alone;
- JSON-escaped, as ASCII or not, with `/` escaped or not;
- quoted for a shell: 'it'\''s', 'it'"'"'s', it\'s, "a\$b", $'a\nb';
- XML- and HTML-escaped, with names or numbers for the quotes.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote

from opsicle.worker.secret_contents import contents

MIN_FORM_BYTES = 6
"""Shorter ones stand in any text by chance."""

_BASE64_LINES = (76, 64)
_HEX_LINE = 60
_UNESCAPED_BY_BROWSERS = "!'()*"
_PERCENT = re.compile("%[0-9A-F]{2}")
_UNSAFE_IN_SHELL = re.compile(r"([^A-Za-z0-9_@%+=:,./\n-])")
_SPECIAL_IN_DOUBLE_QUOTES = re.compile(r'([\\"$`])')
_ANSI_C = str.maketrans(
    {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\x1b": "\\E"}
)
_QUOTES_AS_NUMBERS = str.maketrans(
    {'"': "&#34;", "'": "&#39;", "&": "&amp;", "<": "&lt;", ">": "&gt;"}
)


def forms(values: Iterable[str]) -> list[bytes]:
    """Return every form of every value, each once, the longest first.

    A value may hold bytes that are no text, as `surrogateescape` has them.
    """
    found: set[bytes] = set()
    for value in values:
        inner = contents(value)
        for text in {value, value.strip(), *inner.values}:
            found.update(_forms(text))
        found.update(_bytes(form) for line in inner.lines for form in _texts(line))
    return sorted(
        (form for form in found if len(form) >= MIN_FORM_BYTES), key=lambda form: (-len(form), form)
    )


def _forms(value: str) -> Iterator[bytes]:
    for text in _texts(value):
        yield _bytes(text)
    content = _bytes(value)
    yield from _base64(content)
    for digits in (content.hex(), content.hex().upper()):
        yield digits.encode()
        yield from _lines(digits.encode(), _HEX_LINE)


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


def _texts(value: str) -> Iterator[str]:
    """Yield the forms that are the text itself with some characters written otherwise."""
    yield value
    yield from _url(value)
    yield from _json(value)
    yield value.replace("'", "'\\''")
    yield value.replace("'", "'\"'\"'")
    yield _UNSAFE_IN_SHELL.sub(r"\\\1", value)
    yield _SPECIAL_IN_DOUBLE_QUOTES.sub(r"\\\1", value)
    yield value.translate(_ANSI_C)
    yield html.escape(value, quote=False)
    yield html.escape(value)
    yield html.escape(value).replace("&#x27;", "&apos;")
    yield value.translate(_QUOTES_AS_NUMBERS)


def _url(value: str) -> Iterator[str]:
    for safe in ("", "/", _UNESCAPED_BY_BROWSERS):
        upper = quote(value, safe=safe, errors="surrogateescape")
        lower = _PERCENT.sub(lambda match: match[0].lower(), upper)
        for encoded in (upper, lower):
            yield encoded
            yield encoded.replace("%20", "+")


def _json(value: str) -> Iterator[str]:
    for is_ascii in (True, False):
        escaped = json.dumps(value, ensure_ascii=is_ascii)[1:-1]
        yield escaped
        yield escaped.replace("/", "\\/")


def _base64(content: bytes) -> Iterator[bytes]:
    for before in range(3):
        for encoded in _base64_after(content, before):
            yield encoded
            yield encoded.translate(_URL_SAFE)
    alone = base64.b64encode(content)
    for width in _BASE64_LINES:
        yield from _lines(alone, width)
        yield from _lines(next(iter(_base64_after(content, 0))), width)


_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def _base64_after(content: bytes, before: int) -> Iterator[bytes]:
    """Return what base64 makes of `content` behind `before` other bytes.

    Only characters that depend on nothing else.

    First without what follows, then with the last character and the padding that stand where
    nothing follows.
    """
    encoded = base64.b64encode(bytes(before) + content)
    begin = (before * 8 + 5) // 6
    sure = (before + len(content)) * 8 // 6
    yield encoded[begin:sure]
    yield encoded[begin:].rstrip(b"=")
    yield encoded[begin:]


def _lines(encoded: bytes, width: int) -> Iterator[bytes]:
    if len(encoded) > width:
        yield from (encoded[i : i + width] for i in range(0, len(encoded), width))

"""What of a secret is worth masking by itself, beside the whole: what a guesser would not know.

A secret is often a file: a kubeconfig, a service account's JSON, an `.env`. Its ordinary lines
(`kind: Config`) stand in any output, and masking them makes that unreadable; its tokens turn up
alone, and have to be masked. So of a value that reads as JSON, YAML, or lines of `key=value`, each
single value counts that has a telling key (`password`), or does not look as if it were made of
words. Of other texts every line counts, save frames such as `-----BEGIN …-----`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from opsicle.domain.errors import OpsicleError
from opsicle.worker.randomness import looks_random

_MOST_VALUES = 500
"""Of one secret, so that a large document does not make masking slow: each value has some sixty
forms."""

_FRAME = re.compile(r"-{2,}.*-{2,}|[\s\W]*")
_ASSIGNMENT = re.compile(
    r"\s*(?:export\s+|-\s+)?[\"']?([A-Za-z_][\w.\-/ ]*?)[\"']?\s*[=:]\s*(.*?)\s*[,;]?\s*"
)
_IGNORED_LINE = re.compile(r"\s*(?:[#;].*|\[[^\]]*\]|[{}\[\],]*|---)\s*")
_WORDS_OF_KEY = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")
_SECRET_WORDS = frozenset((
    "pass", "passwd", "password", "passphrase", "pwd", "secret", "token", "key", "credential",
    "credentials", "auth", "authorization", "pin", "pem", "cert", "certificate", "signature",
    "seed", "salt", "cookie", "bearer", "dsn", "jwt",
))  # fmt: skip
"""Last words of keys whose values are secret."""


class Contents(NamedTuple):
    """Of a secret that is a document the `values` worth masking; of another text its `lines`."""

    values: list[str]
    lines: list[str]


def contents(secret: str) -> Contents:
    """Return what of a secret is worth masking by itself; nothing of one that is a single value."""
    text = secret.strip()
    if fields := _fields(text):
        return Contents(list(dict.fromkeys(_worth_masking(fields)))[:_MOST_VALUES], [])
    return Contents([], list(_lines(text)))


def _fields(text: str) -> list[tuple[str, str]]:
    """Keys and values of a text that reads as a document; empty for any other text."""
    if text.startswith(("{", "[")):
        try:
            return list(_leaves(json.loads(text)))
        except (ValueError, RecursionError):
            pass  # as YAML, or as lines, it may still make sense
    if "\n" in text:
        return _yaml_fields(text) or _assignments(text.split("\n"))
    if ";" in text and "=" in text:
        return _assignments(text.split(";"))

    url = _url_password(text)
    return [("password", url)] if url else []


def _yaml_fields(text: str) -> list[tuple[str, str]]:
    # These load YAML, which most workers never need: 2 MiB.
    from opsicle.domain.problems import Problems
    from opsicle.domain.yaml_documents import load, plain

    problems = Problems()
    try:
        document = plain(load(text.encode(errors="replace"), problems))
    except (OpsicleError, ValueError):
        return []
    return list(_leaves(document)) if isinstance(document, dict | list) else []


def _assignments(lines: Iterable[str]) -> list[tuple[str, str]]:
    """Return the pairs of a text that is nothing but pairs, comments and headings."""
    pairs = []
    for line in lines:
        if _IGNORED_LINE.fullmatch(line):
            continue
        match = _ASSIGNMENT.fullmatch(line)
        if match is None:
            return []
        pairs.append((match[1], match[2].strip("\"'")))
    return pairs


def _leaves(document: object) -> Iterator[tuple[str, str]]:
    """Yield every text of a document with the key below which it stands.

    What stands in a bare list has a telling one.
    """
    waiting = [("secret", document)]
    while waiting:
        key, value = waiting.pop(0)
        if isinstance(value, dict):
            waiting += [(str(name), below) for name, below in value.items()]
        elif isinstance(value, list):
            waiting += [(key, below) for below in value]
        elif isinstance(value, str):
            yield key, value
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield key, str(value)


def _worth_masking(fields: list[tuple[str, str]]) -> Iterator[str]:
    for key, field in fields:
        value = field.strip()
        if "\n" in value:
            yield value
            inner = contents(value)
            yield from (*inner.values, *inner.lines)
        elif _names_a_secret(key):
            yield value
            yield from value.split()[1:]  # "Bearer …"
        else:
            yield from (word for word in (value, *value.split()) if looks_random(word))
        if password := _url_password(value):
            yield password


def _lines(text: str) -> Iterator[str]:
    if "\n" in text:
        yield from (line.strip() for line in text.split("\n") if not _FRAME.fullmatch(line))


def _names_a_secret(key: str) -> bool:
    words = _WORDS_OF_KEY.findall(key)
    return bool(words) and words[-1].lower() in _SECRET_WORDS


def _url_password(text: str) -> str:
    """Return the password in `scheme://user:password@host`, or an empty text."""
    if "://" not in text or "@" not in text or "\n" in text:
        return ""
    try:
        return unquote(urlsplit(text).password or "")
    except ValueError:
        return ""

"""Keeping secrets out of a job's output, before any of it is written or sent.

`Masking` knows what to look for; each pipe has a `Mask` of its own, as a secret may come in pieces.
What could be the beginning of a secret is held back until more is known: never more than the
longest form less one byte, and while nothing more comes, only if it is so long (`KEY_BYTES`) that
it is hardly there by chance.

Every form begins with a key of `KEY_BYTES`; keys are looked for with a fast search, and only where
one stands is compared further. Bytes that belong to several forms at once are masked as one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from opsicle.worker.secret_forms import MIN_FORM_BYTES, forms

REPLACEMENT = b"***"
"""What stands in a secret's place; shorter than any form, so that masking never makes output
longer."""

KEY_BYTES = MIN_FORM_BYTES

_MOST_SINGLE_SEARCHES = 100
"""Up to so many keys it is faster to search for one after the other than for all with one
expression."""


class _Found(NamedTuple):
    """What a piece of output holds.

    `hidden` are the parts to mask, in order; `open_from` is from where on more must be known.
    """

    hidden: list[tuple[int, int]]
    open_from: int


class Masking:
    """The secrets of one job, in every form that is looked for."""

    def __init__(self, values: Iterable[str]) -> None:
        self._forms: set[bytes] = set()
        self._by_key: dict[bytes, list[bytes]] = {}
        self.add(values)

    def add(self, values: Iterable[str]) -> None:
        """Look for these as well from now on."""
        self._forms.update(forms(values))
        self._by_key = {}
        for form in sorted(self._forms, key=lambda form: (-len(form), form)):
            self._by_key.setdefault(form[:KEY_BYTES], []).append(form)
        self._beginnings = {key[:length] for key in self._by_key for length in range(1, KEY_BYTES)}
        self._expression = (
            _expression(self._by_key) if len(self._by_key) > _MOST_SINGLE_SEARCHES else None
        )

    def text(self, text: str) -> str:
        """Return a short text without the secrets."""
        mask = Mask(self)
        return (mask.feed(text.encode(errors="surrogateescape")) + mask.finish()).decode(
            errors="replace"
        )

    def search(self, content: bytes) -> _Found:
        """Find what is to be masked, and where the beginning of more may be."""
        hidden: list[tuple[int, int]] = []
        for start in self._candidates(content):
            for form in self._by_key[content[start : start + KEY_BYTES]]:
                if content.startswith(form, start):
                    _add(hidden, start, start + len(form))
                    break
                if len(content) - start < len(form) and form.startswith(content[start:]):
                    return _Found(hidden, start)
        return _Found(hidden, self._last_beginning(content))

    def closed(self, content: bytes) -> list[tuple[int, int]]:
        """Return the parts to mask of content after which nothing comes."""
        hidden: list[tuple[int, int]] = []
        for start in self._candidates(content):
            for form in self._by_key[content[start : start + KEY_BYTES]]:
                if content.startswith(form, start):
                    _add(hidden, start, start + len(form))
                    break
        return hidden

    def _candidates(self, content: bytes) -> Iterable[int]:
        """Return where a key stands, in order."""
        if self._expression:
            return (match.start() for match in self._expression.finditer(content))
        return sorted(start for key in self._by_key for start in _all_places(content, key))

    def _last_beginning(self, content: bytes) -> int:
        """Return where the last few bytes could begin a key; the end if they could not."""
        for start in range(max(0, len(content) - KEY_BYTES + 1), len(content)):
            if content[start:] in self._beginnings:
                return start
        return len(content)


class Mask:
    """One stream of output on its way through.

    What goes in comes out in the same order, save the secrets.
    """

    def __init__(self, masking: Masking) -> None:
        self._masking = masking
        self._held = b""
        self._released = 0  # so many bytes of what is held have been given out already, or masked

    @property
    def can_release(self) -> bool:
        """Whether something is held back that need not be for long."""
        return 0 < len(self._held) < KEY_BYTES and self._released < len(self._held)

    def feed(self, content: bytes) -> bytes:
        """Take what was printed; returns what may be shown by now."""
        content = self._held + content
        found = self._masking.search(content)
        shown = self._cut(content, found.hidden, found.open_from)
        masked_to = max((end for _, end in found.hidden), default=0)
        self._released = max(self._released, masked_to, found.open_from) - found.open_from
        self._held = content[found.open_from :]
        return shown

    def release(self) -> bytes:
        """Show a few bytes that were held back, as nothing more comes.

        What they may be the beginning of stays known.

        If the rest of a secret comes after all, that is masked, so that no more than these bytes of
        it are seen.
        """
        shown, self._released = self._held[self._released :], len(self._held)
        return shown

    def pass_boundary(self) -> bytes:
        """Return what has to stand for the bytes that are held back, as their command has ended.

        As `release`; but many such bytes are masked, since the next command may print the rest.
        """
        if len(self._held) < KEY_BYTES:
            return self.release()
        shown = REPLACEMENT if self._released < len(self._held) else b""
        self._released = len(self._held)
        return shown

    def finish(self) -> bytes:
        """Show what is held: nothing more will come."""
        shown = self._cut(self._held, self._masking.closed(self._held), len(self._held))
        self._held, self._released = b"", 0
        return shown

    def _cut(self, content: bytes, hidden: list[tuple[int, int]], end: int) -> bytes:
        """Return what of `content` before `end` is new, with marks in the place of secrets."""
        parts = []
        at = self._released
        for begin, stop in hidden:
            if stop > at:
                parts += [content[at : max(at, begin)], REPLACEMENT]
                at = stop
        parts.append(content[at : max(at, end)])
        return b"".join(parts)


def _all_places(content: bytes, key: bytes) -> Iterator[int]:
    start = content.find(key)
    while start >= 0:
        yield start
        start = content.find(key, start + 1)


def _add(hidden: list[tuple[int, int]], start: int, end: int) -> None:
    """Add a part to mask.

    It begins no earlier than those before it, and joins the last if they overlap.
    """
    if hidden and start < hidden[-1][1]:
        start, end = hidden[-1][0], max(end, hidden[-1][1])
        hidden.pop()
    hidden.append((start, end))


def _expression(keys: Iterable[bytes]) -> re.Pattern[bytes]:
    """Return one expression for all keys, as a tree of their beginnings, overlaps included."""
    tree: dict[int, dict[int, object]] = {}
    for key in keys:
        branch = tree
        for byte in key:
            branch = branch.setdefault(byte, {})  # type: ignore[assignment]
    return re.compile(b"(?=" + _branches(tree) + b")")


def _branches(tree: dict[int, dict[int, object]]) -> bytes:
    ways = [re.escape(bytes([byte])) + _branches(below) for byte, below in sorted(tree.items())]  # type: ignore[arg-type]
    return ways[0] if len(ways) == 1 else b"(?:" + b"|".join(ways) + b")" if ways else b""

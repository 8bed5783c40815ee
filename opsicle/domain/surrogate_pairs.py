r"""Characters beyond U+FFFF as most JSON generators write them.

Two escapes, `"\ud83c\udf89"` (RFC 8259, section 7).

YAML is said to hold all of JSON, but its parsers refuse those. So a pair is put out of the parser's
way as a mark and its digits, and put back when it is known where it stood: in double quotes as the
one character, elsewhere as it was.
"""

from __future__ import annotations

import re

_PAIR = re.compile(
    r"(?<!\\)((?:\\\\)*)\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})", re.IGNORECASE
)
"""Behind an even number of backslashes: behind an odd one the first `\\u` is no escape."""

_PRIVATE_USE = range(0xE000, 0xF900)


class SurrogatePairs:
    """One text without its pairs (`text`), and the way back."""

    def __init__(self, source: str) -> None:
        self._mark = ""
        self.text = source
        if _PAIR.search(source) and (mark := _unused(source)):
            self._mark = mark
            self.text = _PAIR.sub(lambda found: f"{found[1]}{mark}{found[2]}{found[3]}", source)

    def restore(self, scalar: str, *, is_double_quoted: bool) -> str:
        """Return a scalar of the text with the pairs that were taken out of it."""
        if not self._mark or self._mark not in scalar:
            return scalar
        return re.sub(
            f"{self._mark}(....)(....)",
            lambda found: (
                _character(found[1], found[2]) if is_double_quoted else rf"\u{found[1]}\u{found[2]}"
            ),
            scalar,
        )


def _unused(source: str) -> str:
    """Return a character that the text does not have.

    Return "" if there is none, which takes a text made for that.
    """
    present = set(source)
    return next((chr(code) for code in _PRIVATE_USE if chr(code) not in present), "")


def _character(high: str, low: str) -> str:
    return chr(0x10000 + ((int(high, 16) - 0xD800) << 10) + (int(low, 16) - 0xDC00))

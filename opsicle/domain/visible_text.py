"""Text as people see it: what would hide, move or turn round what they read is replaced by signs.

The pages do the same (`assets/lib/visible.js`). Doing it twice changes nothing more, so that text
that has been through a message can be shown like any other.
"""

from __future__ import annotations

import re

LINE_BREAK, TAB, BLANK = "⏎", "⇥", "␣"

_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0d\uffa0\U000e0100-\U000e01ef"
    "]|(?<=[\\w\x20-\x7e])[\ufe0e\ufe0f]"
)
"""What `str.isprintable` lets pass and nobody sees: fillers, joiners, blank patterns, selectors
that select nothing."""


def visible(text: str, *, keep: str = "") -> str:
    r"""Return the text with a sign for each character that cannot be seen, save those in `keep`.

    Line breaks and tabs become `⏎` and `⇥`, other control characters `^G` as `cat -v` shows them,
    all else `⟨U+202E⟩`.

    >>> visible("production\n") 'production⏎'
    """
    if text.isprintable() and not _UNSEEN.search(text):
        return text
    marked = _UNSEEN.sub(lambda found: _number(found[0]), text)
    return "".join(char if char.isprintable() or char in keep else _sign(char) for char in marked)


def visible_value(value: object) -> str:
    """Return a variable's value on one line.

    Blanks at either end are seen, and how many items a list has.

    >>> visible_value(["a", "b c "])
    '["a", "b c␣"]'
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_quoted(item) for item in value)}]"
    if value == "":
        return '""'
    text = visible(str(value))
    start, end = len(text) - len(text.lstrip(" ")), len(text) - len(text.rstrip(" "))
    return BLANK * start + text.strip(" ") + (BLANK * end if text.strip(" ") else "")


def _quoted(item: object) -> str:
    """Return an item of a list, so that none looks like two."""
    if not isinstance(item, str) or not item:
        return visible_value(item)
    return '"' + visible_value(item.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def _sign(char: str) -> str:
    code = ord(char)
    if char in "\n\t":
        return LINE_BREAK if char == "\n" else TAB
    if code < 0x20:
        return f"^{chr(code + 0x40)}"
    return "^?" if code == 0x7F else _number(char)


def _number(char: str) -> str:
    return f"⟨U+{ord(char):04X}⟩"

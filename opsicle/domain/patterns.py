r"""Regular expressions that match in linear time, whatever the pattern and the text.

A template's author writes the pattern and its user the text, so Python's `re`, which can take years
over thirty characters, is out: RE2 matches. Its own dialect is wider than what the template
reference documents, and means other things here and there (`\s` leaves out the vertical tab), so a
pattern is read token by token, refused with a reason where it is not ours, and handed to RE2 in an
unmistakable spelling: each character as `\x{…}`.

Taken are: literals, `.`, classes (`[a-z0-9_-]`, `[^…]`), `\d \w \s` and their opposites (ASCII),
`\t \n \r`, escaped punctuation, groups `(…)` and `(?:…)`, `|`, and `* + ? {n} {n,} {n,m}`. A
pattern always stands for the whole text; `^` at its beginning and `$` at its end are taken and
change nothing. Not taken: look-around, back-references, flags.
"""

from __future__ import annotations

import functools
import re
from typing import Any

import msgspec

MAX_MATCHED_CHARACTERS = 1_000
"""Of a text that is matched."""

MAX_PLACES = 500
"""Characters that a pattern stands for, repetitions written out."""

_MAX_DEPTH = 30

_MAX_BYTES = 512 * 1024
"""Of one compiled pattern, with the states that matching adds. `.{500}` takes a quarter of it; a
class of hundreds of ranges that is repeated hundreds of times is refused, as it would take RE2 a
second to compile."""

_MAX_KEPT = 32
"""Compiled patterns that are kept for the next text."""

_TOKEN = re.compile(
    r"""(?P<repeat> (?: [*+?]
                      | \{ (?P<low>[0-9]{1,3}) (?P<comma>,)? (?P<high>(?<=,)[0-9]{1,3})? \}
                    ) \?? )
      | (?P<open>   \( (?: \?: | (?!\?) ) )
      | (?P<close>  \) )
      | (?P<choice> \| )
      | (?P<any>    \. )
      | (?P<class>  \[ (?P<not>\^?+) (?P<items>(?:\\.|[^\]\\])+) \] )
      | (?P<escape> \\. )
      | (?P<literal>[^][(){}*+?|^$\\] )""",
    re.VERBOSE | re.DOTALL,
)
_CLASS_ITEM = re.compile(r"(?P<low>\\.|[^\\])(?:-(?P<high>\\.|[^\\]))?", re.DOTALL)
_CLASSES = {"d": "0-9", "w": "0-9A-Z_a-z", "s": r"\t-\r\x{20}"}
_CONTROLS = {"t": "\t", "n": "\n", "r": "\r"}
_BOUNDS: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}


class BadPattern(Exception):
    """The text is no pattern; the message says why. Never leaves `domain`."""


class Pattern:
    """A pattern, ready to match. `size` counts the characters it stands for. Raises BadPattern."""

    def __init__(self, text: str) -> None:
        self._regexp, self.size = _compiled(text)

    def matches(self, text: str) -> bool:
        """Return whether the pattern stands for the whole text, which holds no surrogates."""
        return self._regexp.fullmatch(text) is not None


@functools.lru_cache(maxsize=_MAX_KEPT)
def _compiled(text: str) -> tuple[Any, int]:
    """Return RE2's form of a pattern, and its size."""
    import re2  # most processes never see a pattern

    translation = _Translation(text)
    if translation.size > MAX_PLACES:
        raise BadPattern(
            f"it stands for more than {MAX_PLACES} characters; bound the length with `max` instead"
        )
    options = re2.Options()
    options.max_mem = _MAX_BYTES
    options.log_errors = False
    try:
        regexp = re2.compile(translation.text, options)
    except re2.error:  # the translation is well-formed, so it can only be too large
        raise BadPattern(
            "it takes too much memory; repeat less, or write fewer ranges in `[…]`"
        ) from None
    re2.purge()  # it would keep 128 of them beside ours
    return regexp, translation.size


class _Level(msgspec.Struct):
    """An open group, or the whole pattern.

    Its size so far, and that of the part that a repetition would repeat.
    """

    size: int = 0
    last: int | None = None
    is_repeated: bool = False

    def add(self, size: int) -> None:
        self.size += size
        self.last, self.is_repeated = size, False


class _Translation:
    """A pattern in RE2's language.

    `size` is that of `text` in characters, with its repetitions written out.
    """

    def __init__(self, pattern: str) -> None:
        self._levels = [_Level()]
        self.text = "".join(self._translate(pattern))
        if len(self._levels) > 1:
            raise BadPattern("a `(` has no `)`")
        self.size = self._levels[0].size

    def _translate(self, pattern: str) -> list[str]:
        parts: list[str] = []
        at, end = int(pattern.startswith("^")), len(pattern)
        while at < end:
            token = _TOKEN.match(pattern, at)

            if token is None:
                if pattern[at:] == "$":
                    break
                raise BadPattern(self._reason(pattern[at:]))

            parts.append(self._part(token))
            at = token.end()
        return parts

    def _part(self, token: re.Match[str]) -> str:
        match token.lastgroup:
            case "open":
                return self._open()
            case "close":
                return self._close()
            case "choice":
                self._levels[-1].last = None
                return "|"
            case "repeat":
                return self._repeat(token)

        self._levels[-1].add(1)
        if token["class"]:
            return f"[{token['not']}{_class_items(token['items'])}]"
        return token["any"] or _escape(token["escape"] or token["literal"])

    def _open(self) -> str:
        self._levels.append(_Level())
        if len(self._levels) > _MAX_DEPTH + 1:
            raise BadPattern(f"groups are nested deeper than {_MAX_DEPTH}")
        return "(?:"

    def _close(self) -> str:
        if len(self._levels) == 1:
            raise BadPattern("a `)` has no `(`")
        inner = self._levels.pop()
        self._levels[-1].add(max(inner.size, 1))  # repeating nothing costs RE2 something, too
        return ")"

    def _repeat(self, token: re.Match[str]) -> str:
        level = self._levels[-1]
        if level.last is None:
            raise BadPattern(_misplaced(token[0][0]))
        if level.is_repeated:
            raise BadPattern("two repetitions stand side by side; put the first in a group")

        low, high = _bounds(token)
        if high is not None and high < low:
            raise BadPattern("a repetition `{n,m}` runs backwards")

        copies = low + 1 if high is None else high
        level.size += level.last * (copies - 1)
        level.is_repeated = True
        return f"{{{low},{'' if high is None else high}}}"  # lazy or greedy: the same texts match

    def _reason(self, rest: str) -> str:
        """Return why no token begins here."""
        match rest[0]:
            case "(":
                return "groups that begin with `(?` are not taken, save `(?:`"
            case "[" if rest.startswith(("[]", "[^]")):
                return "a `[]` is empty; write `\\]` for the character"
            case "[":
                return "a `[` has no `]`"
            case "\\":
                return "it ends with a lone `\\`"
            case "{" if self._levels[-1].last is not None:
                if "}" not in rest:
                    return "a `{` has no `}`"
                return "a repetition is written `{n}`, `{n,}` or `{n,m}`, with numbers up to 999"
        return _misplaced(rest[0])


def _misplaced(character: str) -> str:
    return f"a `{character}` stands where it means nothing; write `\\{character}` for the character"


def _bounds(token: re.Match[str]) -> tuple[int, int | None]:
    if token["low"] is None:
        return _BOUNDS[token[0][0]]
    low = int(token["low"])
    if not token["comma"]:
        return low, low
    return low, int(token["high"]) if token["high"] else None


def _escape(written: str) -> str:
    """Return what stands for one character, or a class of them, outside `[…]`."""
    if written[0] != "\\" or written[1].lower() not in _CLASSES:
        return _spelled(_character(written))
    negation = "^" if written[1].isupper() else ""
    return f"[{negation}{_CLASSES[written[1].lower()]}]"


def _class_items(items: str) -> str:
    return "".join(_class_item(item["low"], item["high"]) for item in _CLASS_ITEM.finditer(items))


def _class_item(low: str, high: str | None) -> str:
    """Return one range of a class.

    Without `high` one character, or all that a letter like `d` stands for.
    """
    kinds = {end[1] for end in (low, high) if end and end[0] == "\\"}
    if kinds & {"D", "W", "S"}:
        raise BadPattern("`\\D`, `\\W` and `\\S` are not taken inside `[…]`")
    if high is None:
        return _CLASSES[low[1]] if kinds & _CLASSES.keys() else _spelled(_character(low))
    if kinds & _CLASSES.keys() or _character(low) > _character(high):
        raise BadPattern("a range in `[…]` runs backwards or has no clear end")
    return f"{_spelled(_character(low))}-{_spelled(_character(high))}"


def _character(written: str) -> str:
    """Return the character that is written plainly or behind a backslash."""
    if written[0] != "\\":
        return written
    name = written[1]
    if name not in _CONTROLS and name.isalnum():
        raise BadPattern(f"`\\{name}` is not taken")
    return _CONTROLS.get(name, name)


def _spelled(character: str) -> str:
    return f"\\x{{{ord(character):x}}}"


class SearchPattern:
    r"""What is looked for in the lines of logs, which are bytes: a text, or RE2's own expressions.

    `^` and `$` are the begin and end of a line; no match reaches from one line into another. Raises
    BadPattern.
    """

    def __init__(self, text: str, *, is_regex: bool = False, ignores_case: bool = False) -> None:
        import re2  # most processes never search

        if not text or "\n" in text:
            raise BadPattern("it is empty, or has a line end in it")
        options = re2.Options()
        options.max_mem = _MAX_BYTES
        options.log_errors = False
        options.never_nl = True
        options.never_capture = True
        options.case_sensitive = not ignores_case
        source = f"(?m:{text})" if is_regex else re2.escape(text)
        try:
            if is_regex:
                re2.compile(text, options)  # so that `a)(b` is refused as what it is
            self._regexp = re2.compile(source, options)
        except re2.error as error:
            reason = error.args[0] if error.args else "it cannot be read"
            raise BadPattern(_text_of(reason)) from None
        re2.purge()
        self._literal = None if is_regex or ignores_case else text.encode()

    def find(self, content: bytes, start: int, end: int) -> tuple[int, int] | None:
        """Return where the first match within these bytes begins and ends, or None."""
        if self._literal is not None:
            place = content.find(self._literal, start, end)
            return None if place < 0 else (place, place + len(self._literal))
        match = self._regexp.search(content, start, end)
        return match.span() if match else None


def _text_of(reason: object) -> str:
    return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)

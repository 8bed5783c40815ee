r"""Regular expressions that match in linear time, whatever the pattern and the text.

A template's author writes the pattern and its user the text, so Python's `re`, which can take years over thirty
characters, is out. The pattern is read into Glushkov's automaton: one state per character place, no empty steps;
a set of states is an integer's bits.

Taken are: literals, `.`, classes (`[a-z0-9_-]`, `[^…]`), `\d \w \s` and their opposites (ASCII), `\t \n \r`,
escaped punctuation, groups `(…)` and `(?:…)`, `|`, and `* + ? {n} {n,} {n,m}`. A pattern always stands for the whole
text; `^` at its beginning and `$` at its end are taken and change nothing. Not taken: look-around, back-references,
flags.
"""

from __future__ import annotations

import functools

import msgspec

MAX_MATCHED_CHARACTERS = 1_000
"""Of a text that is matched."""

MAX_PLACES = 500
"""Characters that a pattern stands for, repetitions written out."""

_MAX_DEPTH = 30
_MAX_STEPS = 5_000

_SPECIAL = "()[]{}*+?|^$"
_BOUNDS: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
_CONTROLS = {"t": "\t", "n": "\n", "r": "\r"}


class BadPattern(Exception):
    """The text is no pattern; the message says why. Never leaves `domain`."""


class _Chars(msgspec.Struct, frozen=True):
    """One character of a class: inside one of the ranges, or outside all of them."""

    ranges: tuple[tuple[str, str], ...]
    is_negated: bool = False

    def has(self, character: str) -> bool:
        return any(low <= character <= high for low, high in self.ranges) is not self.is_negated


class _Sequence(msgspec.Struct, frozen=True):
    parts: tuple[_Tree, ...]


class _Choice(msgspec.Struct, frozen=True):
    parts: tuple[_Tree, ...]


class _Repeat(msgspec.Struct, frozen=True):
    part: _Tree
    low: int
    high: int | None


_Tree = _Chars | _Sequence | _Choice | _Repeat

_DIGIT = (("0", "9"),)
_WORD = (("0", "9"), ("A", "Z"), ("_", "_"), ("a", "z"))
_SPACE = ((" ", " "), ("\t", "\r"))
_CLASSES = {
    "d": _Chars(_DIGIT),
    "D": _Chars(_DIGIT, is_negated=True),
    "w": _Chars(_WORD),
    "W": _Chars(_WORD, is_negated=True),
    "s": _Chars(_SPACE),
    "S": _Chars(_SPACE, is_negated=True),
}
_ANY = _Chars((("\n", "\n"),), is_negated=True)


class Pattern:
    """A pattern, ready to match. `size` is the number of its places. Raises BadPattern."""

    def __init__(self, text: str) -> None:
        self._automaton = _automaton(text)
        self.size = len(self._automaton.places)

    def matches(self, text: str) -> bool:
        """Whether the pattern stands for the whole text."""
        return self._automaton.matches(text)


@functools.lru_cache(maxsize=256)
def _automaton(text: str) -> _Automaton:
    return _Automaton(_Reader(text).read())


class _Fragment(msgspec.Struct, frozen=True):
    """A part of the automaton: the places it can begin and end with, as bits, and whether it takes the empty text."""

    first: int
    last: int
    takes_empty: bool


_EMPTY = _Fragment(0, 0, takes_empty=True)


class _Automaton:
    """`follow[i]` holds the places that can come after place `i`, as bits."""

    def __init__(self, tree: _Tree) -> None:
        self.places: list[_Chars] = []
        self._follow: list[int] = []
        self._steps = 0
        self._whole = self._build(tree)

    def matches(self, text: str) -> bool:
        if not text:
            return self._whole.takes_empty
        masks: dict[str, int] = {}
        reachable, states = self._whole.first, 0
        for character in text:
            if character not in masks:
                masks[character] = self._mask(character)
            states = reachable & masks[character]
            if not states:
                return False
            reachable = self._after(states)
        return bool(states & self._whole.last)

    def _mask(self, character: str) -> int:
        """Return the places that take this character, as bits."""
        known: dict[_Chars, bool] = {}
        mask = 0
        for i, chars in enumerate(self.places):
            if chars not in known:
                known[chars] = chars.has(character)
            mask |= known[chars] << i
        return mask

    def _after(self, states: int) -> int:
        reachable = 0
        while states:
            lowest = states & -states
            reachable |= self._follow[lowest.bit_length() - 1]
            states ^= lowest
        return reachable

    def _build(self, tree: _Tree) -> _Fragment:
        self._steps += 1
        if self._steps > _MAX_STEPS or (isinstance(tree, _Chars) and len(self.places) == MAX_PLACES):
            raise BadPattern(f"it stands for more than {MAX_PLACES} characters; bound the length with `max` instead")
        if isinstance(tree, _Chars):
            self.places.append(tree)
            self._follow.append(0)
            place = 1 << (len(self.places) - 1)
            return _Fragment(place, place, takes_empty=False)
        if isinstance(tree, _Sequence):
            return functools.reduce(self._then, map(self._build, tree.parts), _EMPTY)
        if isinstance(tree, _Choice):
            return functools.reduce(_either, map(self._build, tree.parts))
        return self._repeat(tree)

    def _then(self, left: _Fragment, right: _Fragment) -> _Fragment:
        self._connect(left.last, right.first)
        return _Fragment(
            left.first | (right.first if left.takes_empty else 0),
            right.last | (left.last if right.takes_empty else 0),
            left.takes_empty and right.takes_empty,
        )

    def _repeat(self, tree: _Repeat) -> _Fragment:
        """Write the repetition out: the copies that must be, then a loop, or those that may be, each in the former."""
        must = [self._build(tree.part) for _ in range(tree.low)]
        if tree.high is None:
            loop = self._build(tree.part)
            self._connect(loop.last, loop.first)
            rest = _either(_EMPTY, loop)
        else:
            may = [self._build(tree.part) for _ in range(tree.high - tree.low)]
            rest = _EMPTY
            for part in reversed(may):
                rest = _either(_EMPTY, self._then(part, rest))
        return self._then(functools.reduce(self._then, must, _EMPTY), rest)

    def _connect(self, ends: int, begins: int) -> None:
        while ends:
            lowest = ends & -ends
            self._follow[lowest.bit_length() - 1] |= begins
            ends ^= lowest


def _either(left: _Fragment, right: _Fragment) -> _Fragment:
    return _Fragment(left.first | right.first, left.last | right.last, left.takes_empty or right.takes_empty)


class _Reader:
    """Reads a pattern's text from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text.removeprefix("^")
        self._at = 0
        self._depth = 0

    def read(self) -> _Tree:
        tree = self._choice()
        if self._at < len(self._text):
            raise BadPattern("a `)` has no `(`")
        return tree

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self, expected: str) -> bool:
        """Go past `expected` if it comes next."""
        if not self._text.startswith(expected, self._at):
            return False
        self._at += len(expected)
        return True

    def _next(self, missing: str) -> str:
        character = self._peek()
        if not character:
            raise BadPattern(missing)
        self._at += 1
        return character

    def _choice(self) -> _Tree:
        parts = [self._sequence()]
        while self._take("|"):
            parts.append(self._sequence())
        return parts[0] if len(parts) == 1 else _Choice(tuple(parts))

    def _sequence(self) -> _Tree:
        parts = []
        while self._peek() and self._peek() not in "|)":
            parts.append(self._quantified(self._atom()))
        return parts[0] if len(parts) == 1 else _Sequence(tuple(parts))

    def _atom(self) -> _Tree:
        character = self._next("it ends too early")
        if character == "(":
            return self._group()
        if character == "[":
            return self._class()
        if character == "\\":
            return self._escape()
        if character == ".":
            return _ANY
        if character == "$" and not self._peek():
            return _Sequence(())
        if character in _SPECIAL:
            raise BadPattern(f"a `{character}` stands where it means nothing; write `\\{character}` for the character")
        return _single(character)

    def _group(self) -> _Tree:
        if not self._take("?:") and self._peek() == "?":
            raise BadPattern("groups that begin with `(?` are not taken, save `(?:`")
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise BadPattern(f"groups are nested deeper than {_MAX_DEPTH}")
        tree = self._choice()
        if not self._take(")"):
            raise BadPattern("a `(` has no `)`")
        self._depth -= 1
        return tree

    def _escape(self) -> _Chars:
        character = self._next("it ends with a lone `\\`")
        if character in _CLASSES:
            return _CLASSES[character]
        literal = _CONTROLS.get(character, character)
        if literal == character and character.isalnum():
            raise BadPattern(f"`\\{character}` is not taken")
        return _single(literal)

    def _class(self) -> _Chars:
        is_negated = self._take("^")
        ranges: list[tuple[str, str]] = []
        while not self._take("]"):
            ranges += self._class_item()
        if not ranges:
            raise BadPattern("a `[]` is empty; write `\\]` for the character")
        return _Chars(tuple(ranges), is_negated)

    def _class_item(self) -> tuple[tuple[str, str], ...]:
        low = self._class_character()
        if self._peek() != "-" or self._text.startswith("-]", self._at):
            return low.ranges
        self._take("-")
        high = self._class_character()
        if not _is_single(low) or not _is_single(high) or low.ranges[0][0] > high.ranges[0][0]:
            raise BadPattern("a range in `[…]` runs backwards or has no clear end")
        return ((low.ranges[0][0], high.ranges[0][0]),)

    def _class_character(self) -> _Chars:
        character = self._next("a `[` has no `]`")
        if character != "\\":
            return _single(character)
        chars = self._escape()
        if chars.is_negated:
            raise BadPattern("`\\D`, `\\W` and `\\S` are not taken inside `[…]`")
        return chars

    def _quantified(self, part: _Tree) -> _Tree:
        bounds = self._bounds()
        if bounds is None:
            return part
        self._take("?")  # lazy or greedy: the same texts match
        if self._bounds() is not None:
            raise BadPattern("two repetitions stand side by side; put the first in a group")
        return _Repeat(part, *bounds)

    def _bounds(self) -> tuple[int, int | None] | None:
        for sign, bounds in _BOUNDS.items():
            if self._take(sign):
                return bounds
        return self._braces() if self._take("{") else None

    def _braces(self) -> tuple[int, int | None]:
        low = self._count()
        high: int | None = low
        if self._take(","):
            high = None if self._peek() == "}" else self._count()
        if not self._take("}"):
            raise BadPattern("a `{` has no `}`")
        if high is not None and high < low:
            raise BadPattern("a repetition `{n,m}` runs backwards")
        return low, high

    def _count(self) -> int:
        start = self._at
        while self._peek() and self._peek() in "0123456789":
            self._at += 1
        digits = self._text[start : self._at]
        if not digits or len(digits) > 3:
            raise BadPattern("a repetition is written `{n}`, `{n,}` or `{n,m}`, with numbers up to 999")
        return int(digits)


def _single(character: str) -> _Chars:
    return _Chars(((character, character),))


def _is_single(chars: _Chars) -> bool:
    return len(chars.ranges) == 1 and chars.ranges[0][0] == chars.ranges[0][1]

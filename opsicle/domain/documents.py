"""Reading the fields of a document.

Each is asked for with its shape and bounds, what nobody asked for is unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import TypeVar

import msgspec

from opsicle.domain.names import has_control_characters
from opsicle.domain.problems import Problems, did_you_mean, listed, quoted
from opsicle.domain.yaml_documents import MAX_INTEGER, Kind, Node, join

Choice = TypeVar("Choice", bound=StrEnum)


class DocumentNode(msgspec.Struct, frozen=True):
    """A node and where it stands, so that a mistake can be noted against it."""

    node: Node
    path: str
    problems: Problems

    def add(self, message: str) -> None:
        """Note a mistake at this place."""
        self.problems.add(self.path, message, self.node.line)

    def text(self) -> str | None:
        """Return the text here; None, and a mistake noted, if it is anything else."""
        node = self.node
        if node.kind is Kind.TEXT:
            return node.text
        if node.kind in {Kind.MAPPING, Kind.LIST, Kind.NULL}:
            self.add(f"must be text, not {node.kind}")
        else:
            self.add(
                f'YAML reads {quoted(node.text)} as {node.kind}; write it in quotes: "{node.text}"'
            )
        return None

    def line_of_text(self, limit: int) -> str | None:
        """Return text of one line and at most `limit` characters.

        Otherwise note a mistake, and return None.
        """
        text = self.text()
        if text is None:
            return None
        if has_control_characters(text):
            self.add("must be one line without control characters")
            return None
        if len(text) > limit:
            self.add(f"has {len(text):,} characters; at most {limit:,} are allowed")
            return None
        return text

    def items(self) -> list[DocumentNode]:
        """Return the places of a list; none, and a mistake noted, if it is no list."""
        if self.node.kind is not Kind.LIST:
            self.add(f"must be a list (lines that begin with `- `), not {self.node.kind}")
        return [
            DocumentNode(node, f"{self.path}[{i}]", self.problems)
            for i, node in enumerate(self.node.items)
        ]

    def mapping(self) -> Fields:
        """Return the fields here; none, and a mistake noted, if it is no mapping."""
        if self.node.kind is not Kind.MAPPING:
            self.add(f"must be a mapping (lines of `field: value`), not {self.node.kind}")
        return Fields(self)


class Fields:
    """The fields of one mapping. Ask for every field that may stand there, then call `end`.

    A field whose value is empty counts as absent.
    """

    def __init__(self, place: DocumentNode) -> None:
        self.place = place
        self._asked: dict[str, None] = {}

    def find(self, key: str, *, is_required: bool = False) -> DocumentNode | None:
        """Return the place of a field that has a value, else None.

        Notes a required one that is missing.
        """
        self._asked[key] = None
        node = self.place.node.fields.get(key)
        path = join(self.place.path, key)
        if node is not None and node.kind is not Kind.NULL:
            return DocumentNode(node, path, self.place.problems)
        if is_required and self.place.node.kind is Kind.MAPPING:
            line = node.line if node else self.place.node.line
            self.place.problems.add(path, "is empty" if node else "is missing", line)
        return None

    def has(self, key: str) -> bool:
        """Return whether the field stands there at all, be it empty."""
        return key in self.place.node.fields

    def text(self, key: str, limit: int) -> str:
        """Return text of at most `limit` characters, lines and all; "" if absent or wrong."""
        place = self.find(key)
        text = place.text() if place else None
        if place and text and len(text) > limit:
            place.add(f"has {len(text):,} characters; at most {limit:,} are allowed")
            return ""
        return text or ""

    def line(self, key: str, limit: int) -> str:
        """Return text of one line and at most `limit` characters; "" if absent or wrong."""
        place = self.find(key)
        return (place.line_of_text(limit) if place else None) or ""

    def name(
        self, key: str, pattern: re.Pattern[str], rule: str, *, is_required: bool = True
    ) -> str:
        """Return text that matches `pattern` as a whole; "" if absent or wrong.

        `rule` says it in words.
        """
        place = self.find(key, is_required=is_required)
        return checked_name(place, pattern, rule) if place else ""

    def integer(
        self, key: str, default: int, low: int, high: int, *, is_required: bool = False
    ) -> int:
        """Return an integer between `low` and `high`; the default if absent or wrong."""
        place = self.find(key, is_required=is_required)
        number = integer(place) if place else None
        if place is None or number is None:
            return default
        if not low <= number <= high:
            place.add(f"must be between {low:,} and {high:,}, not {number:,}")
            return default
        return number

    def boolean(self, key: str) -> bool:
        """Return a boolean; False if absent or wrong."""
        place = self.find(key)
        if place is None:
            return False
        if place.node.kind is not Kind.BOOLEAN:
            place.add("must be true or false")
            return False
        return bool(place.node.content)

    def choice(self, key: str, default: Choice) -> Choice:
        """Return one of the words of the default's type; the default if absent or wrong."""
        place = self.find(key)
        word = place.text() if place else None
        if place is None or word is None:
            return default

        words = [str(member) for member in type(default)]
        if word not in words:
            meant = did_you_mean(word, words)
            place.add(f"{quoted(word)} is not allowed{meant}; it must be {listed(words)}")
            return default

        return type(default)(word)

    def items(self, key: str, limit: int, *, is_required: bool = False) -> list[DocumentNode]:
        """Return the places of a list of at most `limit` items; none if absent or wrong."""
        place = self.find(key, is_required=is_required)
        if place is None:
            return []
        places = place.items()
        if len(places) > limit:
            place.add(f"has {len(places):,} items; at most {limit:,} are allowed")
            return []
        if is_required and place.node.kind is Kind.LIST and not places:
            place.add("is empty; it needs at least one item")
        return places

    def names(self, key: str, limit: int, pattern: re.Pattern[str], rule: str) -> tuple[str, ...]:
        """Return a list of unlike names; what is wrong is left out."""
        found: list[str] = []
        for place in self.items(key, limit):
            name = checked_name(place, pattern, rule)
            if name in found:
                place.add(f"{quoted(name)} stands twice")
            elif name:
                found.append(name)
        return tuple(found)

    def mapping(self, key: str, *, is_required: bool = False) -> Fields | None:
        """Return the fields of the mapping under `key`, None if absent."""
        place = self.find(key, is_required=is_required)
        return place.mapping() if place else None

    def entries(self, key: str, limit: int) -> Iterator[tuple[str, DocumentNode]]:
        """Yield the keys and values of a mapping whose keys are the author's own."""
        fields = self.mapping(key)
        if fields is None:
            return
        place = fields.place
        if len(place.node.fields) > limit:
            place.add(f"has {len(place.node.fields):,} entries; at most {limit:,} are allowed")
            return
        for name, node in place.node.fields.items():
            yield name, DocumentNode(node, join(place.path, name), place.problems)

    def end(self) -> None:
        """Note every field that nobody asked for."""
        node, problems = self.place.node, self.place.problems
        known = listed(self._asked)
        for key in node.fields:
            if key not in self._asked:
                meant = problems.suggest(key, self._asked)
                message = f"unknown field {quoted(key)}{meant}; known here: {known}"
                problems.add(join(self.place.path, key), message, node.key_lines[key])


def checked_name(place: DocumentNode, pattern: re.Pattern[str], rule: str) -> str:
    """Return the text at `place` if it matches `pattern` as a whole.

    Otherwise note a mistake, and return "".
    """
    text = place.text()
    if text is None:
        return ""
    if not pattern.fullmatch(text):
        place.add(f"{quoted(text)} is no valid name here: {rule}")
        return ""
    return text


def integer(place: DocumentNode) -> int | None:
    """Return the integer at `place`; None, and a mistake noted, if it is anything else."""
    node = place.node
    if node.kind is not Kind.INTEGER:
        shown = quoted(node.text) if node.text else node.kind
        place.add(f"must be a whole number, without quotes or unit, not {shown}")
        return None
    if not isinstance(node.content, int):
        place.add(f"{quoted(node.text)} is not a plain decimal number of at most {MAX_INTEGER:,}")
        return None
    return node.content

"""YAML bytes → a tree that knows its line numbers, within fixed bounds of size, depth and time.

Only the plain part of YAML is taken: one document, text keys, no tags, no merge keys. Aliases are
followed, and what they repeat counts as if it were written out. How it is read is in
`yaml_reader.py`.
"""

from __future__ import annotations

import re
from enum import StrEnum

import msgspec

from opsicle.domain.problems import Problems, quoted

MAX_BYTES = 1 << 20
MAX_DEPTH = 64
MAX_NODES = 5_000
"""Keys and values; what an alias stands for counts each time."""

MAX_CHARACTERS = MAX_BYTES
"""Of all scalars together; what an alias stands for counts each time."""

MAX_INTEGER = 2**53 - 1
"""Larger ones lose digits in a browser (RFC 7493, 2.2)."""


class Kind(StrEnum):
    """What a node is; the words are used in messages."""

    MAPPING = "a mapping"
    LIST = "a list"
    TEXT = "text"
    BOOLEAN = "a boolean"
    INTEGER = "an integer"
    FLOAT = "a decimal number"
    DATE = "a date"
    NULL = "empty"


Content = str | bool | int | float | None | dict[str, "Node"] | list["Node"]


class Node(msgspec.Struct, gc=True):
    """One place in a document.

    `text` is a scalar as it was written; `nodes` and `characters` count the whole branch.

    `content` of a date is its text; of a number that is not plainly written (octal, sexagesimal,
    too large) it is None.
    """

    kind: Kind
    line: int
    content: Content
    text: str = ""
    key_lines: dict[str, int] = {}
    nodes: int = 1
    characters: int = 0

    @property
    def fields(self) -> dict[str, Node]:
        """The fields of a mapping; none for anything else."""
        return self.content if isinstance(self.content, dict) else {}

    @property
    def items(self) -> list[Node]:
        """The items of a list; none for anything else."""
        return self.content if isinstance(self.content, list) else []


def load(source: bytes, problems: Problems) -> Node:
    """Read the one document in `source`.

    Mistakes that leave the rest readable (duplicate keys, tags and such) are added to `problems`.
    Raises InvalidInput at once for anything else: too large, too deep, not UTF-8, not YAML, empty.
    """
    # It brings PyYAML, a megabyte that a process at rest does not need.
    from opsicle.domain.yaml_reader import read

    return read(source, problems)


def plain(node: Node) -> object:
    """Return what the branch holds as plain dicts, lists and scalars.

    Odd numbers and dates are given as their text.
    """
    if node.kind is Kind.MAPPING:
        return {key: plain(value) for key, value in node.fields.items()}
    if node.kind is Kind.LIST:
        return [plain(item) for item in node.items]
    if node.content is None and node.kind is not Kind.NULL:
        return node.text
    return node.content


def join(path: str, key: str) -> str:
    """Return the path of a field of the mapping at `path`.

    A key that is no simple word stands in brackets.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", key):
        return f"{path}[{quoted(key)}]"
    return f"{path}.{key}" if path else key

"""How YAML is read: PyYAML's parser gives the events; the tree is made here.

Without recursion, so that every bound of `yaml_documents.py` holds *while* reading.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import msgspec
import yaml
from yaml import events

from opsicle.domain.errors import InvalidInput
from opsicle.domain.problems import Problems, quoted, refuse
from opsicle.domain.surrogate_pairs import SurrogatePairs
from opsicle.domain.yaml_documents import (
    MAX_BYTES,
    MAX_CHARACTERS,
    MAX_DEPTH,
    MAX_INTEGER,
    MAX_NODES,
    Content,
    Kind,
    Node,
    join,
)

try:
    from yaml import CSafeLoader as _Loader  # libyaml: 20 times faster
except ImportError:  # PyYAML built without libyaml
    from yaml import SafeLoader as _Loader  # type: ignore[assignment]

_SUBJECT = "the document"
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]{0,15})")
_UNUSABLE = re.compile("[\x00\ud800-\udfff]")


def read(source: bytes, problems: Problems) -> Node:
    """Read the one document in `source`. Adds to `problems` and raises as `yaml_documents.load`."""
    pairs = SurrogatePairs(_decoded(source))
    composer = _Composer(problems, pairs)

    try:
        for event in _events(pairs.text):
            composer.take(event)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error) from None
    except yaml.reader.ReaderError as error:
        line = source[: error.position].count(b"\n") + 1
        raise refuse(
            _SUBJECT, "it holds a control character that YAML does not allow", line
        ) from None
    except yaml.YAMLError as error:
        raise refuse(_SUBJECT, f"it is not YAML: {error}") from None

    return _only_document(composer.documents)


def _decoded(source: bytes) -> str:
    if len(source) > MAX_BYTES:
        raise refuse(
            _SUBJECT, f"it is larger than {MAX_BYTES:,} bytes (1 MiB), the most that are taken"
        )
    try:
        return source.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = source[: error.start].count(b"\n") + 1
        raise refuse(_SUBJECT, f"byte {error.start + 1} is not UTF-8 text", line) from None


def _events(text: str) -> Iterator[events.Event]:
    loader = _Loader(text)
    try:
        while (event := loader.get_event()) is not None:
            yield event
    finally:
        loader.dispose()


def _only_document(documents: list[Node]) -> Node:
    written = [node for node in documents if node.kind is not Kind.NULL]
    if not written:
        raise refuse(_SUBJECT, "it is empty", 1)
    if len(written) > 1:
        raise refuse(_SUBJECT, "a second document starts here; a file holds one", written[1].line)
    return written[0]


_ADVICE = {
    "that cannot start any token": (
        "; put text that begins so in quotes, and indent with spaces, not tabs"
    ),
    "mapping values are not allowed": '; put text that holds ": " in quotes',
    "did not find expected key": (
        "; a line is indented unlike those above it, or a quote ends too early"
    ),
    "could not find expected ':'": "; a line that is no `field: value` stands among the fields",
    "did not find expected '-' indicator": "; a line is indented unlike the items above it",
    "unexpected end of stream": "; a quote or bracket is not closed",
    "invalid Unicode character escape code": (
        r"; escapes from \ud800 to \udfff are halves of one character: "
        r"a \ud8… to \udb… with a \udc… to \udf… behind it"
    ),
}
"""What a person can do about libyaml's terser messages, by words of theirs."""


def _syntax_error(error: yaml.MarkedYAMLError) -> InvalidInput:
    mark = error.problem_mark or error.context_mark
    details = " ".join(part for part in (error.context, error.problem) if part)
    advice = next((advice for words, advice in _ADVICE.items() if words in details), "")
    message = f"it is not YAML: {details or 'it cannot be read'}{advice}"
    return refuse(_SUBJECT, message, mark.line + 1 if mark else 0)


class _Frame(msgspec.Struct):
    """A mapping or list that is still open. `key` is the mapping's key whose value comes next."""

    node: Node
    anchor: str | None
    key: str | None = None
    awaits_value: bool = False


class _Composer:
    """Turns events into nodes.

    The open collections are a stack, so that depth costs no recursion.
    """

    def __init__(self, problems: Problems, pairs: SurrogatePairs) -> None:
        self.documents: list[Node] = []
        self._problems = problems
        self._pairs = pairs
        self._open: list[_Frame] = []
        self._anchors: dict[str, Node] = {}
        self._nodes = 0
        self._characters = 0

    def take(self, event: events.Event) -> None:
        """Add what the event says to the tree; stream and document markers say nothing."""
        if isinstance(event, events.ScalarEvent):
            self._take_scalar(event)
        elif isinstance(event, events.CollectionStartEvent):
            self._begin(event)
        elif isinstance(event, events.CollectionEndEvent):
            self._end()
        elif isinstance(event, events.AliasEvent):
            self._take_alias(event)
        elif isinstance(event, events.DocumentStartEvent):
            self._anchors.clear()

    def _take_scalar(self, event: events.ScalarEvent) -> None:
        line = _line(event)
        self._check_tag(event.tag, line)
        text = self._pairs.restore(event.value, is_double_quoted=event.style == '"')
        node = _scalar(text, line, is_plain=not event.style)

        if _UNUSABLE.search(text):
            self._problems.add(
                self._path(), "it holds a NUL or another character that is no text", line
            )
        if node.kind is Kind.FLOAT and node.content is None:
            self._problems.add(self._path(), f"{quoted(node.text)} is not a finite number", line)

        self._count(node)
        self._place(node, event.anchor)

    def _begin(self, event: events.CollectionStartEvent) -> None:
        line = _line(event)
        if len(self._open) >= MAX_DEPTH:
            raise refuse(_SUBJECT, f"it is nested deeper than {MAX_DEPTH} levels", line)
        if self._awaits_key():
            raise refuse(
                _SUBJECT, "a key must be text, not a list or a mapping", line, self._path()
            )

        self._check_tag(event.tag, line)
        is_mapping = isinstance(event, events.MappingStartEvent)
        node = Node(Kind.MAPPING, line, {}) if is_mapping else Node(Kind.LIST, line, [])
        self._count(node)
        self._open.append(_Frame(node, event.anchor))

    def _end(self) -> None:
        frame = self._open.pop()
        self._place(frame.node, frame.anchor)

    def _take_alias(self, event: events.AliasEvent) -> None:
        name = event.anchor or ""
        node = self._anchors.get(name)
        if node is None:
            message = f"the alias {quoted('*' + name)} stands before or inside what it repeats"
            raise refuse(_SUBJECT, message, _line(event), self._path())

        if self._awaits_key():
            raise refuse(
                _SUBJECT, "a key must be written out, not an alias", _line(event), self._path()
            )

        self._count(node)
        self._place(node, None)

    def _count(self, node: Node) -> None:
        self._nodes += node.nodes
        self._characters += node.characters
        if self._nodes > MAX_NODES:
            message = (
                f"it holds more than {MAX_NODES:,} keys and values "
                "(what aliases repeat counts each time)"
            )
            raise refuse(_SUBJECT, message, node.line)
        if self._characters > MAX_CHARACTERS:
            message = (
                f"it holds more than {MAX_CHARACTERS:,} characters "
                "(what aliases repeat counts each time)"
            )
            raise refuse(_SUBJECT, message, node.line)

    def _place(self, node: Node, anchor: str | None) -> None:
        if anchor:
            self._anchors[anchor] = node
        if not self._open:
            self.documents.append(node)
            return

        frame = self._open[-1]
        frame.node.nodes += node.nodes
        frame.node.characters += node.characters

        if frame.node.kind is Kind.LIST:
            frame.node.items.append(node)
        elif frame.awaits_value:
            self._place_value(frame, node)
        else:
            frame.key = self._key(frame.node, node)
            frame.awaits_value = True

    def _place_value(self, frame: _Frame, node: Node) -> None:
        if frame.key is not None:
            frame.node.fields[frame.key] = node
        frame.key, frame.awaits_value = None, False

    def _key(self, mapping: Node, node: Node) -> str | None:
        """Return the key to file the next value under; None for a key that was refused."""
        if node.text == "<<" and node.kind is Kind.TEXT:
            self._problems.add(
                self._path(), "merge keys (`<<`) are not taken; write the fields out", node.line
            )
            return None

        if node.kind is not Kind.TEXT:
            message = f"YAML reads the key {quoted(node.text)} as {node.kind}; write it in quotes"
            if not node.text:
                message = "a key is empty"
            self._problems.add(self._path(), message, node.line)
            return None

        if node.text in mapping.fields:
            message = (
                f"the key {quoted(node.text)} stands twice; "
                f"first on line {mapping.key_lines[node.text]}"
            )
            self._problems.add(join(self._path(), node.text), message, node.line)
            return None

        mapping.key_lines[node.text] = node.line
        return node.text

    def _check_tag(self, tag: str | None, line: int) -> None:
        if tag is not None:
            self._problems.add(self._path(), f"tags are not taken: {quoted(tag)}", line)

    def _awaits_key(self) -> bool:
        return (
            bool(self._open)
            and self._open[-1].node.kind is Kind.MAPPING
            and not self._open[-1].awaits_value
        )

    def _path(self) -> str:
        path = ""
        for frame in self._open:
            if frame.node.kind is Kind.LIST:
                path += f"[{len(frame.node.items)}]"
            elif frame.key is not None:
                path = join(path, frame.key)
        return path


def _line(event: events.Event) -> int:
    return int(event.start_mark.line) + 1 if event.start_mark else 0


def _scalar(text: str, line: int, *, is_plain: bool) -> Node:
    kind = _plain_kind(text) if is_plain else Kind.TEXT
    content: Content = text
    if kind is Kind.NULL:
        content = None
    elif kind is Kind.BOOLEAN:
        content = text.lower() in {"true", "yes", "on"}
    elif kind is Kind.INTEGER:
        content = _integer(text)
    elif kind is Kind.FLOAT:
        content = _float(text)
    return Node(kind, line, content, text, characters=len(text))


_KINDS = {
    "tag:yaml.org,2002:null": Kind.NULL,
    "tag:yaml.org,2002:bool": Kind.BOOLEAN,
    "tag:yaml.org,2002:int": Kind.INTEGER,
    "tag:yaml.org,2002:float": Kind.FLOAT,
    "tag:yaml.org,2002:timestamp": Kind.DATE,
}


def _plain_kind(text: str) -> Kind:
    """Return what YAML 1.1 takes an unquoted scalar for, by PyYAML's own table."""
    if len(text) > 64:
        return Kind.TEXT
    for tag, pattern in yaml.SafeLoader.yaml_implicit_resolvers.get(text[:1], ()):
        if tag in _KINDS and pattern.match(text):
            return _KINDS[tag]
    return Kind.TEXT


def _integer(text: str) -> int | None:
    if not _DECIMAL.fullmatch(text):
        return None
    number = int(text)
    return number if abs(number) <= MAX_INTEGER else None


def _float(text: str) -> float | None:
    try:
        number = float(text.replace("_", ""))
    except ValueError:  # sexagesimal, .inf, .nan
        return None
    return number if math.isfinite(number) else None

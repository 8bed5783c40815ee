"""What people would read of a module although nothing marks it as a text, so it stays English."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.unit.asset_texts import Token, tokens

_SHOWN_PROPERTIES = frozenset(
    [
        "action",
        "alt",
        "back",
        "content",
        "detail",
        "help",
        "hint",
        "label",
        "nothing",
        "placeholder",
        "text",
        "title",
    ]
) | {'"aria-label"'}
"""Of what our components take: each is shown, or read aloud."""

_NAMING_PROPERTIES = frozenset(
    [
        "autocomplete",
        "class",
        "code",
        "command",
        "endpoint",
        "group",
        "href",
        "icon",
        "id",
        "key",
        "kind",
        "look",
        "name",
        "noun",
        "path",
        "role",
        "rel",
        "scope",
        "size",
        "src",
        "state",
        "symbol",
        "takes",
        "tone",
        "type",
        "url",
        "value",
        "verb",
        "verdict",
        "viewBox",
        "way",
        "what",
    ]
)
"""Names that nobody reads, also where they look like words."""

_CHILDREN = {"h": 2, "svg": 2, "replace": 1, "button": 0, "column": 0, "note": 0}
_CHILDREN |= {"announce": 0, "emptyState": 0, "noticeBox": 1, "setTitle": 0, "pageHeading": 0}
_CHILDREN |= {"iconButton": 1, "WrongValue": 0, "fail": 0, "muted": 0, "copyButton": 1, "ago": 1}
"""From which argument on the functions that make elements take what is shown."""

_NAMING_CALLS = frozenset(
    [
        "addEventListener",
        "commandLine",
        "Error",
        "Event",
        "get",
        "getAll",
        "post",
        "put",
        "patch",
        "remove",
        "upload",
        "open",
        "send",
        "RegExp",
    ]
)
_COMPARISONS = frozenset(["===", "!==", "case", "from", "import"])
_NOTHING = (Token("", "", 0, 0),) * 2
_WORDS = re.compile(r"[^\W\d_]{2,} [^\W\d_]|^[A-Z][a-z]|^ ?[a-z]+[.:,]? $")
_LETTERS = re.compile(r"[^\W\d_]{2}")
_VALUE = re.compile(r"\$\{(?:[^{}]|\{[^{}]*\})*\}")


def unmarked(module: str) -> Iterator[str]:
    """Return the literals of a module that look like texts for people and are not marked so."""
    calls: list[tuple[str, int]] = []  # which functions a token is an argument of, and the which
    before: list[Token] = []  # what stands before it, without what is inside of templates
    all_tokens = tokens(module)
    for i, token in enumerate(all_tokens):
        while before and before[-1].depth > token.depth:
            before.pop()
        beside = tuple(each.text for each in (*_NOTHING, *before[-2:])[-2:])
        before.append(token)

        if token.text in "([{":
            calls.append((beside[1] if token.text == "(" else token.text, 0))
        elif token.text in ")]}" and calls:
            calls.pop()
        elif token.text == "," and calls:
            calls[-1] = (calls[-1][0], calls[-1][1] + 1)
        elif token.kind not in ("string", "template") or beside[1] == "t":
            continue
        elif not _names(beside, _after(all_tokens, i)) and _is_read(token, beside, calls):
            yield token.text


def _after(all_tokens: tuple[Token, ...], i: int) -> str:
    """Return the token behind one, and behind what is inside of that."""
    depth = all_tokens[i].depth
    return next((each.text for each in all_tokens[i + 1 :] if each.depth <= depth), "")


def _names(beside: tuple[str, ...], after: str) -> bool:
    """Return whether a literal is compared, a name or a key, judged by what stands beside it."""
    second, before = beside
    is_compared = before in _COMPARISONS or after in ("===", "!==")
    is_property = before == ":" and second in _NAMING_PROPERTIES
    is_key = after == ":" and before in ("{", ",")
    is_index = before == "[" and after == "]"
    return is_compared or is_property or is_key or is_index


def _is_read(token: Token, beside: tuple[str, ...], calls: list[tuple[str, int]]) -> bool:
    second, before = beside
    shown = _VALUE.sub("", token.text[1:-1])
    if not _LETTERS.search(shown) or shown.startswith("/"):
        return False
    if before == ":" and second in _SHOWN_PROPERTIES:
        return True

    function, place = calls[-1] if calls else ("", 0)
    if function in _CHILDREN:
        return place >= _CHILDREN[function]
    return function not in _NAMING_CALLS and bool(_WORDS.search(shown))

"""The pages' modules as tokens, as far as one must read them to find the texts in them."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

_WORD = re.compile(r"[A-Za-z_$#][\w$]*|\d[\w.]*")
_SIGN = re.compile(r"=>|===|!==|\?\?|\?\.|\.\.\.|&&|\|\||[-+*/%<>=!]=|.", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'')
_REGEX = re.compile(r"/(?:[^/\\\[\n]|\\.|\[(?:[^\]\\]|\\.)*\])+/[a-z]*")
_BLANK = re.compile(r"(?:\s+|//[^\n]*|/\*.*?\*/)+", re.DOTALL)
_BEFORE_A_REGEX = frozenset(
    [
        "(",
        ",",
        "=",
        ":",
        "[",
        "!",
        "&",
        "|",
        "?",
        "{",
        "}",
        ";",
        "+",
        "=>",
        "===",
        "!==",
        "&&",
        "||",
        "??",
        "return",
    ]
)


class Token(NamedTuple):
    """A piece of a module; `kind` is word, sign, string, template or regex.

    What stands in the values of a template follows it, with a greater `depth`.
    """

    kind: str
    text: str
    start: int
    depth: int


@cache
def tokens(module: str) -> tuple[Token, ...]:
    """Return the tokens of a module, without blanks and comments."""
    return tuple(_Reader(module).read(0, 0, is_inner=False)[0])


class _Reader:
    def __init__(self, module: str) -> None:
        self._module = module

    def read(self, at: int, depth: int, *, is_inner: bool) -> tuple[list[Token], int]:
        """Return the tokens from a place on, and where they end.

        Inside a template that is at the brace that closes the value.
        """
        found: list[Token] = []
        braces = 0
        while True:
            if blank := _BLANK.match(self._module, at):
                at = blank.end()
            if at >= len(self._module):
                return found, at

            token, inner, at = self._next(at, depth, found[-1].text if found else "(")
            if is_inner and token.text in "{}":
                braces += 1 if token.text == "{" else -1
                if braces < 0:
                    return found, at
            found += [token, *inner]

    def _next(self, at: int, depth: int, before: str) -> tuple[Token, list[Token], int]:
        if self._module[at] == "`":
            inner, end = self._template(at + 1, depth + 1)
            return Token("template", self._module[at:end], at, depth), inner, end

        kinds = {"string": _STRING, "word": _WORD, "sign": _SIGN}
        if before in _BEFORE_A_REGEX:
            kinds = {"regex": _REGEX, **kinds}
        for kind, pattern in kinds.items():
            if found := pattern.match(self._module, at):
                return Token(kind, found[0], at, depth), [], found.end()
        raise AssertionError(f"cannot be read: {self._module[at : at + 40]}")

    def _template(self, at: int, depth: int) -> tuple[list[Token], int]:
        """Return the tokens of the values in a template, and where it ends."""
        inner: list[Token] = []
        while self._module[at] != "`":
            if self._module.startswith("${", at):
                tokens_inside, at = self.read(at + 2, depth, is_inner=True)
                inner += tokens_inside
            else:
                at += 2 if self._module[at] == "\\" else 1
        return inner, at + 1

"""Expressions over a worker's labels, such as `site in (ams, fra), !old`.

The grammar is that of Kubernetes' label selectors: terms joined by commas, all of which must hold:
`key=value` (or `==`), `key!=value`, `key in (a, b)`, `key notin (a, b)`, `key` (there is such a
label), `!key` (there is none). As there, `!=` and `notin` hold where there is no such label.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from opsicle.domain.names import LABEL_KEY, LABEL_KEY_RULE, LABEL_VALUE, LABEL_VALUE_RULE
from opsicle.domain.problems import quoted

MAX_TERMS = 32
MAX_EXPRESSION = 1_000
"""Characters of one."""

_TOKEN = re.compile(r"!=|==|[=!(),]|[^\s=!(),]+")


class Operator(StrEnum):
    """How a term compares a label."""

    EQUALS = "="
    DIFFERS = "!="
    IN = "in"
    NOT_IN = "notin"
    EXISTS = "exists"
    ABSENT = "!"


class LabelTerm(NamedTuple):
    """One term of an expression."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    @property
    def is_exclusion(self) -> bool:
        """Whether it holds where there is no such label, so that labels can only break it."""
        return self.operator in {Operator.DIFFERS, Operator.NOT_IN, Operator.ABSENT}

    def holds(self, value: str | None) -> bool:
        """Return whether it holds for a label with this value; None: there is no such label."""
        if self.operator is Operator.EXISTS:
            return value is not None
        if self.operator is Operator.ABSENT:
            return value is None
        return (value in self.values) is not self.is_exclusion

    def __str__(self) -> str:
        """Write it as a document does."""
        key, listed = self.key, ", ".join(self.values)
        if self.operator is Operator.EXISTS:
            return key
        if self.operator is Operator.ABSENT:
            return f"!{key}"
        if self.operator in {Operator.IN, Operator.NOT_IN}:
            return f"{key} {self.operator} ({listed})"
        return f"{key}{self.operator}{listed}"


class ExpressionMistake(ValueError):
    """What is wrong with an expression, and at which column of it, counted from 1."""


def label_term(key: str, value: str) -> LabelTerm:
    """Return the term that a label is there with just this value."""
    return LabelTerm(key, Operator.EQUALS, (value,))


def written(terms: Iterable[LabelTerm]) -> str:
    """Return the one spelling of an expression."""
    return ", ".join(map(str, terms))


@lru_cache(1_000)
def parse_expression(text: str) -> tuple[LabelTerm, ...]:
    """Return the terms of an expression. Raises ExpressionMistake.

    >>> written(parse_expression("site in(ams,fra),!old"))
    'site in (ams, fra), !old'
    """
    return _Reader(text).terms()


class _Reader:
    """Reads an expression from left to right, one token at a time."""

    def __init__(self, text: str) -> None:
        self._tokens = [(found[0], found.start() + 1) for found in _TOKEN.finditer(text)]
        self._tokens.append(("", len(text) + 1))
        self._at = 0

    def terms(self) -> tuple[LabelTerm, ...]:
        terms = [self._term()]
        while self._take(","):
            terms.append(self._term())
            if len(terms) > MAX_TERMS:
                raise ExpressionMistake(f"has more than {MAX_TERMS} terms")
        if self._next:
            raise self._unexpected("`,` or the end")
        return tuple(terms)

    def _term(self) -> LabelTerm:
        if self._take("!"):
            return LabelTerm(self._key(), Operator.ABSENT)

        key = self._key()
        if self._take("=") or self._take("=="):
            return LabelTerm(key, Operator.EQUALS, (self._value(),))
        if self._take("!="):
            return LabelTerm(key, Operator.DIFFERS, (self._value(),))
        for operator in (Operator.IN, Operator.NOT_IN):
            if self._take(operator):
                return LabelTerm(key, operator, self._values())
        if self._next not in {"", ","}:
            raise self._unexpected("`=`, `!=`, `in (…)`, `notin (…)`, `,` or the end")
        return LabelTerm(key, Operator.EXISTS)

    def _values(self) -> tuple[str, ...]:
        if not self._take("("):
            raise self._unexpected("`(`")
        values = [self._value()]
        while self._take(","):
            values.append(self._value())
        if not self._take(")"):
            raise self._unexpected("`,` or `)`")
        return tuple(values)

    def _key(self) -> str:
        return self._word(LABEL_KEY, "a label", LABEL_KEY_RULE)

    def _value(self) -> str:
        return self._word(LABEL_VALUE, "a value", LABEL_VALUE_RULE)

    def _word(self, pattern: re.Pattern[str], wanted: str, rule: str) -> str:
        word, column = self._tokens[self._at]
        if not word or _is_sign(word):
            raise self._unexpected(wanted)
        if not pattern.fullmatch(word):
            raise ExpressionMistake(f"column {column}: {quoted(word)} is not {wanted}: {rule}")
        self._at += 1
        return word

    @property
    def _next(self) -> str:
        return self._tokens[self._at][0]

    def _take(self, token: str) -> bool:
        is_next = self._next == token
        self._at += is_next
        return is_next

    def _unexpected(self, wanted: str) -> ExpressionMistake:
        word, column = self._tokens[self._at]
        found = quoted(word) if word else "the end"
        return ExpressionMistake(f"column {column}: expected {wanted}, not {found}")


def _is_sign(token: str) -> bool:
    return token[0] in "=!(),"

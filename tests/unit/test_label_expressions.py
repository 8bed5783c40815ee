"""Expressions over labels, read as Kubernetes reads its selectors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsicle.domain.label_expressions import (
    ExpressionMistake,
    LabelTerm,
    Operator,
    parse_expression,
    written,
)
from opsicle.domain.waiting_reasons import waiting_reason
from opsicle.domain.workers import Candidate, Requirements, fits_labels


def worker(name: str = "w", **known: object) -> Candidate:
    return Candidate(name=name, **known)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("site=ams", "site=ams"),
        (" site == ams ", "site=ams"),
        ("site!=ams,ssd", "site!=ams, ssd"),
        ("site in(ams,fra) , !old", "site in (ams, fra), !old"),
        ("site notin ( ams )", "site notin (ams)"),
        ("in in (in, notin), notin", "in in (in, notin), notin"),
        ("k8s.io/zone=a:b@c/d-1", "k8s.io/zone=a:b@c/d-1"),
    ],
)
def test_an_expression_has_one_spelling(text: str, spelled: str) -> None:
    assert written(parse_expression(text)) == spelled
    assert parse_expression(spelled) == parse_expression(text)


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("", "column 1: expected a label, not the end"),
        ("site in ams", "column 9: expected `(`, not `ams`"),
        ("site in (ams fra)", "column 14: expected `,` or `)`, not `fra`"),
        ("site in ()", "column 10: expected a value, not `)`"),
        ("site=ams,", "column 10: expected a label, not the end"),
        ("site=", "column 6: expected a value, not the end"),
        ("site ams", "column 6: expected `=`, `!=`, `in (…)`, `notin (…)`, `,` or the end"),
        ("site=ams fra", "column 10: expected `,` or the end, not `fra`"),
        ("!!old", "column 2: expected a label, not `!`"),
        ("site=a%b", "column 6: `a%b` is not a value: 1 to 127 of the characters"),
        ("_x", "column 1: `_x` is not a label"),
        (",".join(["a"] * 33), "more than 32 terms"),
    ],
)
def test_a_mistake_is_told_with_its_column(text: str, mistake: str) -> None:
    with pytest.raises(ExpressionMistake) as told:
        parse_expression(text)

    assert mistake in str(told.value)


WORD = st.from_regex(r"[a-z0-9][a-z0-9._/-]{0,6}", fullmatch=True)
TERMS = st.one_of(
    st.builds(LabelTerm, WORD, st.just(Operator.EXISTS), st.just(())),
    st.builds(LabelTerm, WORD, st.just(Operator.ABSENT), st.just(())),
    st.builds(
        LabelTerm,
        WORD,
        st.sampled_from([Operator.EQUALS, Operator.DIFFERS]),
        st.tuples(WORD),
    ),
    st.builds(
        LabelTerm,
        WORD,
        st.sampled_from([Operator.IN, Operator.NOT_IN]),
        st.lists(WORD, min_size=1, max_size=4).map(tuple),
    ),
)


@given(st.lists(TERMS, min_size=1, max_size=5))
def test_what_is_written_is_read_back(terms: list[LabelTerm]) -> None:
    assert parse_expression(written(terms)) == tuple(terms)


@given(st.text(alphabet="ab=!(), inot", max_size=20))
def test_whatever_is_typed_is_read_or_refused(text: str) -> None:
    try:
        terms = parse_expression(text)
    except ExpressionMistake:
        return

    assert parse_expression(written(terms)) == terms


@pytest.mark.parametrize(
    ("where", "labels", "fits"),
    [
        ("site=ams", {"site": "ams"}, True),
        ("site=ams", {}, False),
        ("site!=ams", {"site": "fra"}, True),
        ("site!=ams", {}, True),
        ("site!=ams", {"site": "ams"}, False),
        ("site in (ams, fra)", {"site": "fra"}, True),
        ("site in (ams, fra)", {"site": "lon"}, False),
        ("site in (ams, fra)", {}, False),
        ("site notin (ams, fra)", {"site": "lon"}, True),
        ("site notin (ams, fra)", {}, True),
        ("site notin (ams, fra)", {"site": "fra"}, False),
        ("ssd", {"ssd": "yes"}, True),
        ("ssd", {}, False),
        ("!old", {}, True),
        ("!old", {"old": "x"}, False),
        ("site, !old", {"site": "ams", "old": "x"}, False),
    ],
)
def test_each_operator_compares_as_kubernetes_does(
    where: str, labels: dict[str, str], fits: bool
) -> None:
    assert fits_labels(Requirements(where=where), worker(labels=labels)) is fits


def test_what_must_be_there_is_granted_and_what_must_not_nobody_may_say() -> None:
    inside, outside = Requirements(where="site=ams"), Requirements(where="!old")
    by_word = Requirements(where="site=ams", accepts_claimed=True)
    claims = worker(claimed={"site": "ams", "old": "x"})
    disputed = worker(labels={"site": "ams"}, disputed=frozenset({("old", "x")}))

    assert not fits_labels(inside, claims)
    assert fits_labels(by_word, claims)
    assert not fits_labels(outside, claims)
    assert not fits_labels(outside, disputed)
    assert fits_labels(inside, disputed)


@pytest.mark.parametrize(
    ("where", "labels", "reason"),
    [
        ("site in (ams, fra)", {}, "no connected worker fulfils `site in (ams, fra)`"),
        ("!old", {}, "no connected worker fulfils `!old`"),
        ("site=lon", {}, "no connected worker has label site=lon"),
        ("ssd, site!=x", {}, "no connected worker fulfils `ssd`"),
        (
            "!gpu, site!=a",
            {"old": "x"},
            "no connected worker fulfils all of `old=x, !gpu, site!=a`",
        ),
    ],
)
def test_the_reason_names_the_term_that_nobody_fulfils(
    where: str, labels: dict[str, str], reason: str
) -> None:
    fleet = [
        worker("w1", labels={"site": "a", "old": "x"}),
        worker("w2", labels={"old": "x", "gpu": "y"}),
    ]

    assert waiting_reason(Requirements(labels=labels, where=where), fleet) == reason

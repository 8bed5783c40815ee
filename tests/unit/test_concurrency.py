"""What a concurrency group is called, by the values that tell it from others."""

from __future__ import annotations

import pytest

from opsicle.domain.concurrency import QueuePlace, queue_place
from opsicle.domain.templates import Concurrency, OnLimit, Phase, Template, Value

PHASES = (Phase(name="act", commands=("true",)),)


def key(*values: Value | None) -> str | None:
    names = [f"v{n}" for n in range(len(values))]
    template = Template(name="t", phases=PHASES, concurrency=Concurrency("db", by=tuple(names)))
    given = {name: value for name, value in zip(names, values, strict=True) if value is not None}
    return queue_place(template, given).concurrency_key


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ((), "db"),
        (("orders",), "db/orders"),
        (("orders", 3, True), "db/orders/3/true"),
        ((None, "x"), "db//x"),
        ((["a", "b"],), "db/a,b"),
        (("a/b", "a,b", "50%", "ü\n"), "db/a%2Fb/a%2Cb/50%25/%C3%BC%0A"),
    ],
)
def test_a_group_is_called_by_its_values(values: tuple[Value | None, ...], name: str) -> None:
    assert key(*values) == name


def test_different_values_are_different_groups_also_where_they_are_long() -> None:
    keys = {
        key("a/b", ""),
        key("a", "b"),
        key(["a", "b"], ""),
        key("a,b", ""),
        key("x" * 300 + "1"),
        key("x" * 300 + "2"),
    }

    assert len(keys) == 6
    assert all(len(each or "") < 200 for each in keys)


def test_a_template_without_a_group_has_a_priority_alone() -> None:
    assert queue_place(Template(name="t", phases=PHASES), {}) == QueuePlace(5)
    place = queue_place(Template(name="t", phases=PHASES, concurrency=Concurrency("db")), {})
    assert place == QueuePlace(5, None, "db", 1, OnLimit.QUEUE)

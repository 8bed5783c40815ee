"""What a worker may say of itself: its labels, and how many jobs it takes at once."""

from __future__ import annotations

from collections.abc import Mapping

from opsicle.domain.names import LABEL_KEY, LABEL_KEY_RULE, LABEL_VALUE, LABEL_VALUE_RULE
from opsicle.domain.problems import Problems, quoted

MAX_LABELS = 64
MAX_SLOTS = 1_000


def check_facts(labels: Mapping[str, str], slots: int) -> None:
    """Raise InvalidInput unless a worker can have these labels and so many slots."""
    problems = Problems()
    _note_label_problems(labels, problems)
    if not 1 <= slots <= MAX_SLOTS:
        problems.add("slots", f"must be between 1 and {MAX_SLOTS}, not {slots}")
    problems.raise_if_any("what the worker says of itself")


def check_labels(labels: Mapping[str, str]) -> None:
    """Raise InvalidInput unless a worker can be granted these labels."""
    problems = Problems()
    _note_label_problems(labels, problems)
    problems.raise_if_any("the labels")


def _note_label_problems(labels: Mapping[str, str], problems: Problems) -> None:
    if len(labels) > MAX_LABELS:
        problems.add("labels", f"has {len(labels)} labels; at most {MAX_LABELS} are allowed")
    for key, value in labels.items():
        if not LABEL_KEY.fullmatch(key):
            problems.add("labels", f"{quoted(key)} is no label: {LABEL_KEY_RULE}")
        elif not LABEL_VALUE.fullmatch(value):
            problems.add(
                f"labels.{key}", f"{quoted(value)} is no value of a label: {LABEL_VALUE_RULE}"
            )

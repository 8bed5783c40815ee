"""Reading labels, and expressions over them, where what they are compared with stands."""

from __future__ import annotations

from opsicle.domain.documents import Fields
from opsicle.domain.label_expressions import (
    MAX_EXPRESSION,
    ExpressionMistake,
    parse_expression,
    written,
)
from opsicle.domain.names import LABEL_KEY, LABEL_KEY_RULE, LABEL_VALUE, LABEL_VALUE_RULE
from opsicle.domain.problems import quoted

MAX_LABELS = 64


def parse_labels(fields: Fields) -> dict[str, str]:
    """Return what stands under `labels`; what is wrong is noted, and left out."""
    labels: dict[str, str] = {}
    for key, place in fields.entries("labels", MAX_LABELS):
        text = place.text()
        if not LABEL_KEY.fullmatch(key):
            place.add(f"{quoted(key)} is no label: {LABEL_KEY_RULE}")
        elif text is not None and not LABEL_VALUE.fullmatch(text):
            place.add(f"{quoted(text)} is no value of a label: {LABEL_VALUE_RULE}")
        elif text is not None:
            labels[key] = text
    return labels


def parse_where(fields: Fields) -> str:
    """Return the expression under `where` in its one spelling, "" without one."""
    place = fields.find("where")
    text = place.line_of_text(MAX_EXPRESSION) if place else None
    if place is None or text is None:
        return ""
    try:
        return written(parse_expression(text))
    except ExpressionMistake as mistake:
        place.add(f"{quoted(text)} is no expression over labels: {mistake}")
        return ""

"""Reading what a template asks of its worker, or on which machines it runs one by one."""

from __future__ import annotations

from typing import NamedTuple

from opsicle.domain.documents import Fields
from opsicle.domain.fan_outs import MOST_MEMBERS, FanOut, FanOutKind
from opsicle.domain.label_expressions import (
    MAX_EXPRESSION,
    ExpressionMistake,
    parse_expression,
    written,
)
from opsicle.domain.names import LABEL_KEY, LABEL_KEY_RULE, LABEL_VALUE, LABEL_VALUE_RULE
from opsicle.domain.problems import quoted

MAX_LABELS = 64


class RunsOn(NamedTuple):
    """What a template asks of its worker; see `Template`."""

    labels: dict[str, str]
    where: str
    accepts_claimed: bool
    fan_out: FanOut | None = None


def parse_runs_on(spec: Fields) -> RunsOn:
    """Return what stands under `runsOn`; every mistake is noted."""
    fields = spec.mapping("runsOn")
    if fields is None:
        return RunsOn({}, "", accepts_claimed=False)

    read = RunsOn(_labels(fields), _where(fields), fields.boolean("acceptClaimed"))
    if each := fields.mapping("each"):
        if read.labels or read.where:
            each.place.add("has `labels` and `where` of its own: put there what stands beside it")
        fan_out = FanOut(
            kind=FanOutKind.EACH,
            parallel=each.integer("parallel", 0, 1, MOST_MEMBERS) or None,
            max_failures=each.integer("maxFailures", 0, 0, MOST_MEMBERS),
        )
        read = RunsOn(_labels(each), _where(each), read.accepts_claimed, fan_out)
        if not (each.has("labels") or each.has("where")):
            each.place.add("needs `labels` or `where`, which say on which workers it runs")
        each.end()
    fields.end()
    return read


def _labels(fields: Fields) -> dict[str, str]:
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


def _where(fields: Fields) -> str:
    """Return the expression over labels in its one spelling, "" without one."""
    place = fields.find("where")
    text = place.line_of_text(MAX_EXPRESSION) if place else None
    if place is None or text is None:
        return ""
    try:
        return written(parse_expression(text))
    except ExpressionMistake as mistake:
        place.add(f"{quoted(text)} is no expression over labels: {mistake}")
        return ""

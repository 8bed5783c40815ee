"""Reading what a template asks of its worker, or on which machines it runs one by one."""

from __future__ import annotations

from typing import NamedTuple

from opsicle.domain.documents import Fields
from opsicle.domain.fan_outs import (
    MOST_MEMBERS,
    MOST_SECONDS,
    WEEK_SECONDS,
    FanOut,
    FanOutKind,
)
from opsicle.domain.label_parser import parse_labels, parse_where
from opsicle.domain.names import TEMPLATE_NAME, TEMPLATE_NAME_RULE
from opsicle.domain.problems import listed
from opsicle.domain.yaml_documents import Kind

_WHAT = {FanOutKind.EACH: "workers", FanOutKind.TARGETS: "targets"}
_WHICH = {
    FanOutKind.EACH: ("labels", "where"),
    FanOutKind.TARGETS: ("labels", "where", "names"),
}
_PARALLEL = {FanOutKind.EACH: 0, FanOutKind.TARGETS: 5}
"""How many run at once where nothing is said; 0: all."""


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

    read = RunsOn(parse_labels(fields), parse_where(fields), fields.boolean("acceptClaimed"))
    both = fields.mapping("each"), fields.mapping("targets")
    if all(both):
        fields.place.add("has `each` and `targets`; a template runs on workers or on targets")
    for kind, inside in zip(FanOutKind, both, strict=True):
        if inside:
            read = _fan_out(kind, inside, read)
    fields.end()
    return read


def _fan_out(kind: FanOutKind, fields: Fields, beside: RunsOn) -> RunsOn:
    if beside.fan_out is None and (beside.labels or beside.where):
        fields.place.add("has `labels` and `where` of its own: put there what stands beside it")
    if kind is FanOutKind.TARGETS and beside.accepts_claimed:
        fields.place.add("needs no `acceptClaimed` beside it: nobody but people labels a target")
    keys = _WHICH[kind]
    if not any(fields.has(key) for key in keys):
        fields.place.add(f"needs {listed(keys)}, which say on which {_WHAT[kind]} it runs")
    named = fields.find("names")
    if named and named.node.kind is Kind.LIST and not named.node.items:
        named.add("names none; without it, all count that fit otherwise")
    most = fields.integer("parallel", _PARALLEL[kind], 1, MOST_MEMBERS)
    fan_out = FanOut(
        kind=kind,
        names=()
        if kind is FanOutKind.EACH
        else fields.names("names", MOST_MEMBERS, TEMPLATE_NAME, TEMPLATE_NAME_RULE),
        parallel=most or None,
        max_failures=fields.integer("maxFailures", 0, 0, MOST_MEMBERS),
        timeout=fields.integer("timeout", WEEK_SECONDS, 1, MOST_SECONDS),
    )
    read = RunsOn(parse_labels(fields), parse_where(fields), beside.accepts_claimed, fan_out)
    fields.end()
    return read

"""Reading what a template asks of its worker, or on which machines it runs one by one."""

from __future__ import annotations

from typing import NamedTuple

from opsicle.domain.documents import Fields
from opsicle.domain.fan_outs import MOST_MEMBERS, FanOut, FanOutKind
from opsicle.domain.label_parser import parse_labels, parse_where


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
    if each := fields.mapping("each"):
        if read.labels or read.where:
            each.place.add("has `labels` and `where` of its own: put there what stands beside it")
        if not (each.has("labels") or each.has("where")):
            each.place.add("needs `labels` or `where`, which say on which workers it runs")
        fan_out = FanOut(
            kind=FanOutKind.EACH,
            parallel=each.integer("parallel", 0, 1, MOST_MEMBERS) or None,
            max_failures=each.integer("maxFailures", 0, 0, MOST_MEMBERS),
        )
        read = RunsOn(parse_labels(each), parse_where(each), read.accepts_claimed, fan_out)
        each.end()
    fields.end()
    return read

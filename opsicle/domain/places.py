"""Where a template runs, as approval policies see it: by which labels they judge it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from opsicle.domain.bound_fan_outs import BoundMember
from opsicle.domain.templates import Template


def places_of(
    template: Template, machines: Iterable[BoundMember] = ()
) -> Sequence[Mapping[str, str]]:
    """Return the sets of labels of which each is a place where a template runs.

    For targets that is each of `machines`, however they were chosen: by what they are labelled
    themselves, and by the labels of the workers that reach them. Else it is what the template asks
    of its worker. What is in no set is not known.
    """
    found = {
        frozenset(labels.items()): labels
        for machine in machines
        if machine.target is not None
        for labels in (
            {**machine.labels, **machine.own_labels},
            {**machine.own_labels, **machine.labels},
        )
    }
    return [*found.values()] or [template.guaranteed_labels]

"""What a template may say but this version cannot carry out.

Such a template can be pushed, but not run.
"""

from __future__ import annotations

from collections.abc import Iterator

from opsicle.domain.errors import Problem
from opsicle.domain.templates import Template, VariableType

_LATER = "arrives in a later version; this template cannot run until then"
_LATER_VARIABLES = frozenset({VariableType.FILE})


def unsupported(template: Template) -> list[Problem]:
    """Return what stands in the way of running the template; empty if nothing does.

    A phase with an `image` is not among it: its automation waits for a worker that runs containers.
    """
    return [*_of_variables(template), *_of_phases(template)]


def _of_variables(template: Template) -> Iterator[Problem]:
    for i, variable in enumerate(template.variables):
        if variable.type in _LATER_VARIABLES:
            yield Problem(f"spec.variables[{i}].type", f"the type `{variable.type}` {_LATER}")


def _of_phases(template: Template) -> Iterator[Problem]:
    for i, phase in enumerate(template.phases):
        if phase.limits is not None and phase.image is None:
            yield Problem(
                f"spec.template.phases[{i}].limits",
                f"limiting what a phase without an image uses {_LATER}",
            )

"""What a template may say but this version cannot carry out.

Such a template can be pushed, but not run.
"""

from __future__ import annotations

from collections.abc import Iterator

from opsicle.domain.errors import Problem
from opsicle.domain.templates import Template

_LATER = "arrives in a later version; this template cannot run until then"


def unsupported(template: Template) -> list[Problem]:
    """Return what stands in the way of running the template; empty if nothing does.

    A phase with an `image` is not among it: its automation waits for a worker that runs containers.
    """
    return [*_of_template(template)]


def _of_template(template: Template) -> Iterator[Problem]:
    if template.plan:
        yield Problem("spec.plan", f"planning before the approval {_LATER}")

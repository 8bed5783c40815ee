"""Where in its document a template names the others that it starts."""

from __future__ import annotations

from collections.abc import Iterator

from opsicle.domain.calls import Call
from opsicle.domain.templates import Phase, Template


def call_path(phase_index: int, phase: Phase, position: int) -> str:
    """Return the path of a phase's call, as problems name it."""
    item = f"[{position}]" if len(phase.calls) > 1 else ""
    return f"spec.template.phases[{phase_index}].call{item}"


def started_calls(template: Template) -> Iterator[tuple[str, Call]]:
    """Yield what a template calls, or starts once it has ended, each with its path."""
    for index, phase in enumerate(template.phases):
        for position, call in enumerate(phase.calls):
            yield call_path(index, phase, position), call
    for key, calls in (("onSuccess", template.on_success), ("onFailure", template.on_failure)):
        for position, call in enumerate(calls):
            yield f"spec.{key}[{position}]", call

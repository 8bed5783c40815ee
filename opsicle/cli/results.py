"""What a job has left for people to read, beside its log: its outputs and its summary."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from opsicle.cli.output import assigned
from opsicle.domain.visible_text import visible


def show_results(outputs: Mapping[str, str], summary: str, show: Callable[[str], None]) -> None:
    """Show both, as far as there is any, by `show`, which takes a text of one or more lines."""
    if summary:
        show("\n" + visible(summary, keep="\n\t").strip("\n"))
    if outputs:
        lines = [assigned(name, value) for name, value in outputs.items()]
        show("\n".join(["", "OUTPUTS", *lines]))

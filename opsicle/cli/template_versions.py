"""Which version of a template is meant, in words."""

from __future__ import annotations

from opsicle.domain.templates import DRAFT


def with_version(template: str, version: int) -> str:
    """Return the template with its version; a draft was only ever tried, so it has no number."""
    return f"{template} (draft)" if version == DRAFT else f"{template} v{version}"

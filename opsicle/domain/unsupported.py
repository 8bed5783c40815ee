"""What a template may say but this version cannot carry out: nothing, at present.

Such a template can be pushed, but not run. A field whose time has not come yet is named here.
"""

from __future__ import annotations

from opsicle.domain.errors import Problem
from opsicle.domain.templates import Template


def unsupported(_template: Template) -> list[Problem]:
    """Return what stands in the way of running the template; empty if nothing does."""
    return []

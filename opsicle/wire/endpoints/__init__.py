"""The table of all endpoints: a file for each noun, a constant for each endpoint."""

from __future__ import annotations

import functools
from importlib import import_module
from pkgutil import iter_modules

from opsicle.wire.endpoint import Endpoint


@functools.cache
def names() -> dict[int, str]:
    """Return `automations.show`, after the file and the constant, by each endpoint's `id`."""
    return {
        id(endpoint): f"{file.name}.{constant.lower()}"
        for file in iter_modules(__path__)
        for constant, endpoint in vars(import_module(f"{__name__}.{file.name}")).items()
        if isinstance(endpoint, Endpoint)
    }

"""Opsicle: runbook automation in one file."""

from opsicle.version import __version__

__all__ = ["__version__"]

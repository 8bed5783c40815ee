"""Which Opsicle this is."""

RELEASE = "0.1.0"

COMMIT = ""
"""Written by the build; empty in a checkout."""

__version__ = f"{RELEASE}+{COMMIT}" if COMMIT else RELEASE

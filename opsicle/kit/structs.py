"""Message types, made ready before there are threads.

msgspec looks at a type when it first decodes into one. Two threads that do so at the same moment
see a half-made description of it, and the process dies of a segmentation fault (seen with msgspec
0.22). So whoever starts threads makes all types ready first, in one thread.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec


def make_ready() -> int:
    """Let msgspec look at every message type that is loaded, and return how many there are.

    Harmless when called again. Types of modules that are loaded later are not among them.
    """
    count = 0
    for kind in _subclasses(msgspec.Struct):
        try:
            msgspec.json.Decoder(kind)
        except (TypeError, NameError):  # abstract or generic: only what is made of it is decoded
            continue
        count += 1
    return count


def _subclasses(kind: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    for each in kind.__subclasses__():
        yield each
        yield from _subclasses(each)

"""In which epoch each entry of a record was written, as far as the record itself says.

After a restore numbers are given out again, so that a number alone may name two entries: one that
was lost, and was perhaps forwarded or exported before, and one of the next epoch.
"""

from __future__ import annotations

import msgspec

_MARKERS = frozenset({"accept_restored", "import_org"})
"""With these an epoch begins."""


class RecordEpochs:
    """Learns of epochs while a record is read from its beginning, or from where it was cut."""

    def __init__(self, removed_to: int) -> None:
        self._starts: list[tuple[int, int | None]] = [(0, None if removed_to else 1)]

    def take(self, seq: int, verb: str, data: str) -> None:
        """Read an entry that was found to be good."""
        if verb not in _MARKERS:
            return
        said = _said(data)
        start, known = self._starts[-1]
        before = said.epoch_before or known
        self._starts[-1] = start, before
        after = said.epoch or (before + 1 if before else None)
        self._starts.append((seq, after if verb == "accept_restored" else None))

    def of(self, seq: int) -> int | None:
        """Return the epoch of an entry, None if the record does not say."""
        return next(epoch for start, epoch in reversed(self._starts) if start <= seq)


class _Said(msgspec.Struct):
    epoch: int | None = None
    epoch_before: int | None = None


def _said(data: str) -> _Said:
    try:
        return msgspec.json.decode(data, type=_Said)
    except (ValueError, msgspec.MsgspecError, RecursionError):
        return _Said()

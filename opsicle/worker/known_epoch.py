"""In which epoch of its server this worker has worked last.

An order of an earlier one is from the past.

A server that was restored from a copy begins a new epoch. From the first order of that on, this
worker carries nothing out for the state before: neither for a server that runs on an older copy,
nor for another one on the same. The order that it has learnt the epoch from is kept, since it is
signed: it shows such a server what it does not know.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import msgspec

from opsicle.domain.manifests import WorkOrder
from opsicle.kit import files
from opsicle.wire.worker_api import SignedOrder
from opsicle.worker.verification import Refused

BEFORE_EPOCHS = 1
"""A server that has never been restored may be put back to a version that knew no epochs."""


class Outdated(Refused):
    """The order is of an earlier epoch than the newest one known, or of another server's."""


class _Known(msgspec.Struct, frozen=True):
    number: int = 0
    id: str = ""
    proof: SignedOrder | None = None


class KnownEpoch:
    """The newest epoch, in a file of the data folder.

    Safe to use from several threads: what is lost comes again.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known = _read(file)
        self._reported = (0, "")

    def take(self, order: WorkOrder, signed: SignedOrder) -> None:
        """Learn the epoch of an order whose signature is good, durably if the disk lets it be.

        Raises Outdated.
        """
        known = self._known
        if order.epoch < known.number and not (order.epoch == 0 and known.number <= BEFORE_EPOCHS):
            raise self._outdated(
                f"its order is of epoch {order.epoch} of the server, "
                f"and this worker has worked in epoch {known.number}: "
                "the server runs on an older copy"
            )
        if order.epoch == known.number and known.id not in ("", order.epoch_id):
            raise self._outdated(
                f"its order is of another epoch {order.epoch}: two servers run on copies of one"
            )

        if order.epoch > known.number or (order.epoch_id and not known.id):
            new = _Known(order.epoch, order.epoch_id, signed)
            # Where this fails the journal cannot be written either, and nothing is begun.
            with suppress(OSError):
                files.replace(self._file, msgspec.json.encode(new))
            self._known = new

    def _outdated(self, message: str) -> Outdated:
        outdated = Outdated(message)
        outdated.proof = self._known.proof
        return outdated

    def note_server_epoch(self, number: int, epoch_id: str) -> None:
        """Take in what the server says of itself.

        It decides nothing, but whether the server should be shown the proof.
        """
        self._reported = (number, epoch_id)

    @property
    def proof(self) -> SignedOrder | None:
        """The order that shows that there is a newer epoch, or another one, than the server's.

        None if there is not.
        """
        number, epoch_id = self._reported
        known = self._known
        if (
            not number
            or known.number < number
            or (known.number == number and known.id in ("", epoch_id))
        ):
            return None
        return known.proof


def _read(file: Path) -> _Known:
    try:
        return msgspec.json.decode(file.read_bytes(), type=_Known)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return _Known()

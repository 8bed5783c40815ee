"""Verifying an export of the audit record, without any server."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

import msgspec

from opsicle.domain.errors import InvalidInput
from opsicle.security import audit_record
from opsicle.security.audit_key import AuditPublicKey
from opsicle.security.audit_record import Entry, UnreadableRecord
from opsicle.wire.audit import (
    FORMAT,
    FORMAT_WITH_GAPS,
    AuditVerdict,
    Checkpoint,
    CheckpointGap,
    ExportedEntry,
    Header,
    Line,
    Signed,
)

_LINE = msgspec.json.Decoder(Line)
_ENTRY = msgspec.json.Decoder(ExportedEntry)


def verify_export(lines: Iterable[bytes], key: AuditPublicKey | None) -> AuditVerdict:
    """Check the lines of an export, in one pass.

    Without `key` the one in the export itself is used.
    Raises InvalidInput for a file that is no export at all.
    """
    rest = iter(lines)
    header = _header(next(rest, b""))

    signed: list[Signed] = []
    for line in rest:
        part = _signed(line)
        if part is None:
            rest = itertools.chain([line], rest)
            break
        signed.append(part)

    public_key = key or AuditPublicKey.load(header.public_key)
    return audit_record.verify(
        header.chain, public_key, signed, _entries(rest), is_signed_to_end=True
    )


def _header(line: bytes) -> Header:
    hint = "`opsicle audit export FILE` makes one."
    try:
        header = _LINE.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidInput("this is no export of an audit record", hint=hint) from error

    if not isinstance(header, Header):
        raise InvalidInput("the export has lost its first line, the header", hint=hint)
    if header.format not in (FORMAT, FORMAT_WITH_GAPS):
        raise InvalidInput(
            f"the export has format {header.format}, "
            f"this program knows {FORMAT} and {FORMAT_WITH_GAPS}",
            hint="Use a newer one.",
        )
    return header


def _signed(line: bytes) -> Signed | None:
    """Return the checkpoint or gap in a line, or None for anything else."""
    try:
        found = _LINE.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return found if isinstance(found, Checkpoint | CheckpointGap) else None


def _entries(lines: Iterator[bytes]) -> Iterator[Entry]:
    for line in lines:
        try:
            yield msgspec.structs.astuple(_ENTRY.decode(line))
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise UnreadableRecord(str(error)) from error

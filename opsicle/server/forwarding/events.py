"""An entry of the record as others get it: a line of JSON, or a message of syslog."""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

from opsicle.version import __version__

MAX_MESSAGE_BYTES = 8192
"""What every receiver should take (RFC 5425, 4.3.1); some cut off what is longer."""

_PRIORITY = 13 * 8 + 5
"""Facility "log audit", severity "notice"."""

_SD_ID = "opsicle@32473"
"""32473 is the enterprise number for those that have none of their own (RFC 5612)."""

_NOT_PRINTABLE = re.compile(r"[^\x21-\x7e]")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_TO_ESCAPE = re.compile(r'(["\\\]])')
_MAX_PARAM_CHARACTERS = 400


class Event(NamedTuple):
    """An entry of the record, named by the org, the epoch and the number together.

    `org` is the org's code; it and its id are "" for what belongs to none.
    """

    org_id: str
    org: str
    epoch: int
    seq: int
    at: str
    actor_kind: str
    actor_id: str
    actor_name: str
    channel: str
    address: str
    verb: str
    resource: str
    data: str
    hash: str


def json_line(event: Event) -> bytes:
    """Return the event as one line of JSON, with its end.

    `data` that somebody has altered to what is no JSON of one line is shown as text.
    """
    is_json = "\n" not in event.data and _is_json(event.data)
    data = msgspec.Raw(event.data.encode()) if is_json else event.data
    fields = event._asdict() | {"data": data}
    return msgspec.json.encode(fields) + b"\n"


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def syslog_message(event: Event, hostname: str) -> bytes:
    """Return the event as a message of RFC 5424, of `MAX_MESSAGE_BYTES` at most.

    Its text is `data`, which is left out where it would make the message longer.
    """
    head = " ".join(
        (
            f"<{_PRIORITY}>1",
            event.at,
            _word(hostname, 255),
            "opsicle",
            "-",
            _word(event.verb, 32),
            f'[{_SD_ID} {_parameters(event)}][origin software="opsicle" swVersion="{__version__}"]',
        )
    ).encode()
    text = _ascii(event.data)
    if len(head) + 1 + len(text) > MAX_MESSAGE_BYTES:
        text = b'{"left_out":"too long for a message"}'
    return head + b" " + text


def _parameters(event: Event) -> str:
    fields = {
        "org": event.org,
        "orgId": event.org_id,
        "epoch": str(event.epoch),
        "seq": str(event.seq),
        "actor": event.actor_name,
        "actorId": event.actor_id,
        "actorKind": event.actor_kind,
        "channel": event.channel,
        "address": event.address,
        "verb": event.verb,
        "resource": event.resource,
        "hash": event.hash,
    }
    return " ".join(f'{name}="{_value(text)}"' for name, text in fields.items())


def _value(text: str) -> str:
    shown = _CONTROLS.sub("?", text)[:_MAX_PARAM_CHARACTERS]
    return _TO_ESCAPE.sub(r"\\\1", shown)


def _word(text: str, longest: int) -> str:
    """Return what may stand in the head of a message; `-` is what nobody knows."""
    return _NOT_PRINTABLE.sub("", text)[:longest] or "-"


def _ascii(json_text: str) -> bytes:
    """Return JSON without a character that a reader of lines could take for something else."""
    return "".join(
        character if " " <= character <= "~" else _escaped(character) for character in json_text
    ).encode()


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{int.from_bytes(units[i : i + 2]):04x}" for i in range(0, len(units), 2))

"""Whether keys are those with which a server's database was written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from typing import NamedTuple

from opsicle.domain.errors import OpsicleError
from opsicle.security.audit_key import AuditKey
from opsicle.security.authority import Authority
from opsicle.security.binding_key import BindingKey
from opsicle.security.master_key import MasterKey
from opsicle.security.order_key import OrderKey
from opsicle.server.keys import binding_key_file, order_key_file
from opsicle.server.keys.key_files import pin_setting
from opsicle.server.keys.vault import CHECK_SETTING, opens
from opsicle.server.store import settings
from opsicle.server.store.database import Connection

SEALING, MASTER = "identity.key", "master.key"
_NEXT = ".next"


class Misfit(NamedTuple):
    """A key that is not there, if it `is_lost`, or is none or another one's."""

    name: str
    is_lost: bool


class _Pin(NamedTuple):
    setting: str
    fits: Callable[[bytes, str], bool]


def _authority(content: bytes, known: str) -> bool:
    text = content.decode("ascii")
    return Authority.load(text, text).fingerprint == known


_PINS = {
    "authority.pem": _Pin(pin_setting("authority.pem"), _authority),
    "audit.pem": _Pin(
        pin_setting("audit.pem"),
        lambda content, known: AuditKey.load(content.decode("ascii")).public.fingerprint == known,
    ),
    "orders.pem": _Pin(
        order_key_file.SETTING,
        lambda content, known: OrderKey.load(content.decode("ascii")).public.fingerprint == known,
    ),
    SEALING: _Pin(
        pin_setting(SEALING), lambda content, known: sha256(content).hexdigest() == known
    ),
    binding_key_file.FILE_NAME: _Pin(
        binding_key_file.SETTING, lambda content, known: BindingKey(content).fingerprint == known
    ),
    MASTER: _Pin(
        CHECK_SETTING,
        lambda content, known: opens(MasterKey.from_text(content.decode("ascii")), known),
    ),
}
"""The files of a data folder, and where its database says which key it was written with."""


def find_misfits(db: Connection, keys: Mapping[str, bytes]) -> Iterator[Misfit]:
    """Yield what does not fit among the contents of a folder's key files, by name.

    The successor of a key, with `.next` behind its name, counts as well: a rotation is under way.
    """
    for name, pin in _PINS.items():
        known = settings.find(db, pin.setting)
        there = [keys[each] for each in (name, name + _NEXT) if each in keys]
        if known and not any(_fits(pin, content, known) for content in there):
            yield Misfit(name, is_lost=not there)


def _fits(pin: _Pin, content: bytes, known: str) -> bool:
    try:
        return pin.fits(content, known)
    except (OpsicleError, ValueError):
        return False

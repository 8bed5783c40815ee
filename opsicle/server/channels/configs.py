"""A channel's settings, as they stand in its row and as somebody sends them."""

from __future__ import annotations

from typing import Any

import msgspec

from opsicle.domain import stored_json
from opsicle.domain.bounds import Settings
from opsicle.domain.channels import ChannelConfig
from opsicle.domain.errors import Unreadable, required
from opsicle.domain.problems import listed, quoted
from opsicle.domain.stored_json import CANNOT_BE_READ
from opsicle.server.access import validators
from opsicle.server.channels import kinds
from opsicle.server.channels.kind import ChannelKind
from opsicle.server.http.request import does_not_fit
from opsicle.server.store.channels import ChannelRow


def parse_config(settings: Settings) -> ChannelConfig:
    """Return what was sent as the settings of its kind.

    Raises InvalidInput, which names the place.
    """
    name = settings.get("kind")
    kind = kinds.find(name) if isinstance(name, str) else None
    if kind is None:
        known = listed([each.name for each in kinds.KINDS])
        raise validators.invalid("config.kind", _unknown_kind(name, known))
    try:
        config: ChannelConfig = msgspec.convert(settings, kind.config)
    except msgspec.ValidationError as error:
        raise does_not_fit(str(error), inside="config") from error
    return config


def kind_of(row: ChannelRow) -> ChannelKind[Any]:
    """Return the kind of a channel. Raises Unreadable if this version does not know it."""
    return required(kinds.find(row.kind), Unreadable.of(f"the channel {row.name}"))


def config_of(row: ChannelRow) -> ChannelConfig:
    """Return the settings. Raises Unreadable."""
    kind: type[ChannelConfig] = kind_of(row).config
    return stored_json.read(row.config, kind, f"the channel {row.name}")


def shown_config(row: ChannelRow) -> Settings:
    """Return the settings, for showing them; where they cannot be read each of them says so."""
    try:
        return settings_of(config_of(row))
    except Unreadable:
        kind = kinds.find(row.kind)
        fields = kind.config.__struct_fields__ if kind else ("ca_pem",)
        unreadable = {name: CANNOT_BE_READ for name in fields if name != "allow_networks"}
        return {"kind": row.kind, "allow_networks": [], **unreadable}


def settings_of(config: ChannelConfig) -> dict[str, Any]:
    """Return settings as JSON shows them."""
    shown: dict[str, Any] = msgspec.to_builtins(config)
    return shown


def _unknown_kind(name: object, known: str) -> str:
    if not isinstance(name, str):
        return f"say which kind of channel this is: {known}"
    return f"{quoted(name)} is no kind of channel; it must be {known}"

"""The kinds of channel as forms and the command line read them.

All of it drawn from the descriptors.
"""

from __future__ import annotations

from typing import Any

import msgspec

from opsicle.domain.channels import ChannelConfig
from opsicle.server.channels.kind import ChannelKind
from opsicle.wire.channel_api import ChannelKindSummary, ChannelSetting


def summary_of(kind: ChannelKind[Any]) -> ChannelKindSummary:
    """Return what one needs to know to make a channel of this kind."""
    return ChannelKindSummary(
        name=kind.name,
        label=kind.label,
        settings=settings_of_kind(kind),
        credential=kind.credential,
        takes_decisions=kind.inbox is not None,
    )


def settings_of_kind(kind: ChannelKind[Any]) -> list[ChannelSetting]:
    """Return the settings that this kind alone has, in the order of its struct."""
    from msgspec import inspect  # who makes a channel needs it, a server at rest does not

    struct = inspect.type_info(kind.config)
    assert isinstance(struct, inspect.StructType)
    own = [field for field in struct.fields if field.name not in ChannelConfig.__struct_fields__]
    return [_setting(field) for field in own]


def _setting(field: Any) -> ChannelSetting:
    from msgspec import inspect

    assert isinstance(field.type, inspect.Metadata), f"{field.name} has no title"
    texts = field.type.extra_json_schema or {}
    inner = field.type.type
    choices = (
        [str(value) for value in inner.values] if isinstance(inner, inspect.LiteralType) else []
    )

    return ChannelSetting(
        name=field.name,
        label=texts["title"],
        hint=texts.get("description", ""),
        type="integer" if isinstance(inner, inspect.IntType) else "string",
        choices=choices,
        default=None if field.default is msgspec.NODEFAULT else field.default,
        is_required=field.required,
    )

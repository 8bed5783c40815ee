"""Messages about secrets. A value only ever goes in."""

from __future__ import annotations

from datetime import datetime

import msgspec

from opsicle.domain.bounds import Description, Name, SecretValue
from opsicle.wire.user_api import Person


class CreateSecretRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A new secret; the value has 6 bytes to 64 KiB in UTF-8."""

    name: Name
    value: SecretValue
    description: Description = ""

    def __repr__(self) -> str:
        return f"CreateSecretRequest(name={self.name!r})"


class UpdateSecretRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The secret's next value, and its description if that is given."""

    value: SecretValue
    description: Description | msgspec.UnsetType = msgspec.UNSET

    def __repr__(self) -> str:
        return "UpdateSecretRequest()"


class SecretUse(msgspec.Struct, kw_only=True):
    """When a secret was handed out, and to which automation of which template.

    Both are None where that has been removed, or is not the caller's to see.
    """

    at: datetime
    automation: str | None = None
    template: str | None = None


class Secret(msgspec.Struct, kw_only=True):
    """A secret without its value.

    `version` counts its values; `environment_variable` is where commands read it. `rotated_at` is
    when it got another value than its first, None if it never did; `last_use` is None if it was
    never used.
    """

    name: str
    version: int
    description: str
    environment_variable: str
    created_at: datetime
    updated_at: datetime
    updated_by: Person
    rotated_at: datetime | None = None
    last_use: SecretUse | None = None


class SecretUses(msgspec.Struct, kw_only=True):
    """What names a secret in its newest version, by name.

    `hidden` is how many more there are that the caller may not see. `last_run_at` is when one of
    the templates began last, null if none has yet.
    """

    templates: list[str]
    targets: list[str]
    hidden: int = 0
    last_run_at: datetime | None = None

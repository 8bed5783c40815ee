"""What running a template would do, said before anything is triggered."""

from __future__ import annotations

import msgspec

from opsicle.domain.errors import Problem
from opsicle.wire.approval_api import ApprovalNeed


class RunPreview(msgspec.Struct, kw_only=True):
    """What a `RunRequest` would do now. Nothing has been made by asking.

    `problems` are of the values; that of a secret variable need not be given. `refusal` is why it
    would be refused otherwise. `need` is who must agree, for these values where they are right.
    `machines` are those that it would run on one by one. Else `workers` are some of the `fitting`
    ones, busy or not, and `waiting` is why none of them would take it at once.
    """

    template: str
    version: int
    problems: list[Problem] = []
    refusal: str = ""
    need: ApprovalNeed
    needs_mfa: bool = False
    machines: list[str] = []
    workers: list[str] = []
    fitting: int = 0
    waiting: str = ""

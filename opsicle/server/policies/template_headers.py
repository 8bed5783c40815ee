"""The part of a template's JSON by which policies apply to it."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from opsicle.domain.policies import Policy
from opsicle.domain.scopes import TemplateScope, applies_to_everyone


class TemplateScopeHeader(msgspec.Struct):
    """A template's labels, and those that it asks of its worker."""

    labels: dict[str, str] = {}
    runs_on: dict[str, str] = {}
    accepts_claimed: bool = False

    @property
    def scope(self) -> TemplateScope:
        """The template as the scopes of policies see it: without labels that workers claim."""
        return TemplateScope(self.labels, {} if self.accepts_claimed else self.runs_on)


class TemplateApprovalHeader(TemplateScopeHeader):
    """Also what the template itself says of its approval."""

    approval_policy: dict[str, object] | None = None

    def needs_approval(self, defaults: Iterable[Policy]) -> bool:
        """Return whether whoever runs the template is asked for an approval.

        It names a policy, or one of the org's `defaults` applies to it whoever asks.
        """
        if self.approval_policy is not None:
            return not self.approval_policy.get("is_waived", False)
        return any(applies_to_everyone(policy, self.scope) for policy in defaults)

"""Templates and their versions as people see them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from opsicle.domain import stored_json
from opsicle.domain.policies import Policy
from opsicle.domain.stored_json import CANNOT_BE_READ
from opsicle.domain.template_warnings import warnings
from opsicle.domain.templates import Owner, Template
from opsicle.server.documents.versions import pusher_of
from opsicle.server.policies.template_headers import TemplateApprovalHeader
from opsicle.server.store.documents import VersionRow
from opsicle.server.store.templates import TemplateRow, VersionSummaryRow
from opsicle.wire.template_api import TemplateSummary, TemplateVersion, TemplateVersionSummary


class _Shown(TemplateApprovalHeader):
    """The part of a template's JSON that a list shows."""

    display_name: str = ""
    description: str = ""
    owners: list[Owner] = msgspec.field(default_factory=list)


_CANNOT_BE_SHOWN = _Shown(description=CANNOT_BE_READ, approval_policy={})


def summary(row: TemplateRow, known: Sequence[Policy]) -> TemplateSummary:
    """Return a template as it stands in a list."""
    shown = stored_json.read_or(row.header, _Shown, _CANNOT_BE_SHOWN)
    return TemplateSummary(
        name=row.name,
        version=row.latest_version,
        display_name=shown.display_name,
        description=shown.description,
        labels=shown.labels,
        owners=shown.owners,
        needs_approval=shown.needs_approval(known),
        updated_at=row.updated_at,
        created_at=row.created_at,
    )


def version_summary(row: VersionSummaryRow) -> TemplateVersionSummary:
    """Return a version as it stands in a list."""
    return TemplateVersionSummary(
        version=row.version,
        digest=row.digest,
        pushed_by=pusher_of(row),
        pushed_at=row.pushed_at,
        message=row.message,
    )


def whole_version(
    row: VersionRow, template: Template, known: Sequence[Policy], *, needs_mfa: bool
) -> TemplateVersion:
    """Return a version whole."""
    shown = stored_json.read(row.document, _Shown, f"the template {row.name}")
    return TemplateVersion(
        name=row.name,
        version=row.version,
        latest_version=row.latest_version,
        digest=row.digest,
        display_name=template.display_name,
        description=template.description,
        labels=template.labels,
        owners=list(template.owners),
        variables=list(template.variables),
        phases=list(template.phases),
        plan=list(template.plan),
        runs_on=template.runs_on,
        runs_on_where=template.runs_on_where,
        priority=template.priority,
        concurrency=template.concurrency,
        max_waiting=template.max_waiting,
        keep_workspace=template.keep_workspace,
        volume_mounts=list(template.volume_mounts),
        accepts_claimed=template.accepts_claimed,
        timeout=template.timeout,
        on_success=list(template.on_success),
        on_failure=list(template.on_failure),
        fan_out=template.fan_out,
        needs_approval=shown.needs_approval(known),
        needs_mfa=needs_mfa,
        notify=list(template.notify),
        warnings=warnings(template),
        source=row.source,
        pushed_by=pusher_of(row),
        pushed_at=row.pushed_at,
        message=row.message,
    )

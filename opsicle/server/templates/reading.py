"""Reading a template's document."""

from __future__ import annotations

import msgspec

from opsicle.domain.errors import Problem
from opsicle.domain.policy_parser import SEED_WARNING, without_seeds
from opsicle.domain.template_parser import digest, parse_template
from opsicle.domain.template_warnings import OWN_POLICY, warnings
from opsicle.domain.templates import Template
from opsicle.server.documents.versions import VersionDraft
from opsicle.server.store.documents import DocumentKind


class TemplateDocument(msgspec.Struct, frozen=True):
    """A document that has been read and found fine."""

    template: Template
    draft: VersionDraft
    warnings: list[Problem]


def read_template(source: str, message: str = "") -> TemplateDocument:
    """Read a document. Raises InvalidInput with every mistake in it."""
    template = parse_template(source.encode())
    found = warnings(template)
    if template.approval_policy and template.approval_policy.policy:
        kept = without_seeds(source)
        found += [Problem(OWN_POLICY, SEED_WARNING)] if kept != source else []
        source = kept
    kind, name = DocumentKind.TEMPLATE, template.name
    draft = VersionDraft.of(kind, name, digest(template), source, template, message)
    return TemplateDocument(template, draft, found)

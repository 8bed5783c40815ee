"""Endpoints of templates and their versions."""

from __future__ import annotations

from opsicle.wire.document_api import (
    PushTemplateRequest,
    SourceRequest,
    TemplateDiff,
    TemplateDraft,
    Validation,
)
from opsicle.wire.endpoint import MAX_DOCUMENT_BODY_BYTES, PAGE, Endpoint
from opsicle.wire.pages import Page
from opsicle.wire.template_api import (
    Pushed,
    TemplateSummary,
    TemplateVersion,
    TemplateVersionSummary,
)

VALIDATE = Endpoint(
    "POST",
    "/api/v1/templates/validate",
    body=SourceRequest,
    reply=Validation,
    max_body=MAX_DOCUMENT_BODY_BYTES,
    description="Check a template's document and keep nothing.",
)
KEEP_DRAFT = Endpoint(
    "POST",
    "/api/v1/template-drafts",
    body=SourceRequest,
    reply=TemplateDraft,
    status=201,
    max_body=MAX_DOCUMENT_BODY_BYTES,
    description=(
        "Keep a template to be tried, without pushing it.\n\n"
        "No list shows it. It takes what pushing it would take."
    ),
)
SHOW_DRAFT = Endpoint(
    "GET",
    "/api/v1/template-drafts/<draft_id>",
    reply=TemplateVersion,
    description="Show a draft of a template to those who may push it: its version is 0.",
)
SCHEMA = Endpoint(
    "GET",
    "/api/v1/template-schema",
    reply=bytes,
    content_type="application/schema+json",
)
LIST_TEMPLATES = Endpoint(
    "GET",
    "/api/v1/templates",
    reply=Page[TemplateSummary],
    query=PAGE,
    description="List the org's templates by name, each in its newest version.",
)
PUSH = Endpoint(
    "POST",
    "/api/v1/templates",
    body=PushTemplateRequest,
    reply=Pushed,
    status=201,
    max_body=MAX_DOCUMENT_BODY_BYTES,
)
SHOW = Endpoint(
    "GET",
    "/api/v1/templates/<name>",
    reply=TemplateVersion,
    description="Show a template in its newest version.",
)
DELETE = Endpoint[None](
    "DELETE",
    "/api/v1/templates/<name>",
    status=204,
    description="Take a template out of use; automations that ran it keep their version.",
)
LIST_VERSIONS = Endpoint(
    "GET",
    "/api/v1/templates/<name>/versions",
    reply=Page[TemplateVersionSummary],
    query=PAGE,
    description="List a template's versions, newest first.",
)
SHOW_VERSION = Endpoint(
    "GET",
    "/api/v1/templates/<name>/versions/<version>",
    reply=TemplateVersion,
    description="Show one version of a template.",
)
DIFF = Endpoint(
    "GET", "/api/v1/templates/<name>/diff", reply=TemplateDiff, query={"from": int, "to": int}
)

"""What each route is sent that takes something."""

from __future__ import annotations

from tests.api.running_server import PASSWORD
from tests.api.test_policies import policy
from tests.api.test_templates import source
from tests.services.calling import trigger_source
from tests.services.scheduling import HOURLY, schedule_source
from tests.services.targeting import target_source

HOOKS = {"kind": "webhook", "url": "https://hooks.example.com/"}

BODIES: dict[str, object] = {
    "POST /api/v1/triggers/<trigger>/sample-calls": {"body": "{}"},
    "POST /api/v1/totp/confirm": {"totp": "x"},
    "POST /api/v1/totp/recovery-codes": {"totp": "x"},
    "POST /api/v1/totp/disable": {"totp": "x"},
    "POST /api/v1/step-up": {"totp": "x"},
    "PUT /api/v1/display": {"language": "de"},
    "POST /api/v1/password": {"current_password": "x", "password": "short"},
    "POST /api/v1/tokens": {"name": "x"},
    "POST /api/v1/orgs": {"code": "initech"},
    "PATCH /api/v1/orgs/<org>": {"name": "x"},
    "POST /api/v1/invitations": {"email": "new@example.com", "role": "member"},
    "POST /api/v1/server/orgs/<org>/invitations": {"email": "new@example.com"},
    "POST /api/v1/server/orgs/<org>/delete": {"confirm": "nowhere"},
    "POST /api/v1/server/announcements": {"text": "x"},
    "POST /api/v1/server/operators": {"email": "new@example.com"},
    "POST /api/v1/users": {"email": "new@example.com", "password": PASSWORD, "role": "member"},
    "PATCH /api/v1/users/<user>": {"name": "x"},
    "POST /api/v1/groups": {"name": "new"},
    "POST /api/v1/service-accounts": {"name": "new"},
    "PATCH /api/v1/groups/<group>": {"description": "x"},
    "POST /api/v1/roles": {"name": "new"},
    "PATCH /api/v1/roles/<role>": {"description": "x"},
    "POST /api/v1/templates": {"source": source("new")},
    "POST /api/v1/templates/validate": {"source": source("new")},
    "POST /api/v1/template-drafts": {"source": source("new")},
    "POST /api/v1/automations": {"template": "restart-web"},
    "POST /api/v1/automations/preview": {"template": "restart-web"},
    "POST /api/v1/workers/tokens": {},
    "PATCH /api/v1/workers/<worker>": {"labels": {"site": "ams"}},
    "PATCH /api/v1/server/workers/<worker>": {"labels": {"site": "ams"}},
    "POST /api/v1/policies": {"source": policy("new")},
    "POST /api/v1/schedules": {"source": schedule_source(HOURLY, template="restart-web")},
    "POST /api/v1/triggers": {"source": trigger_source(template="restart-web")},
    "POST /api/v1/targets": {"source": target_source()},
    "POST /api/v1/secrets": {"name": "new", "value": "hunter2-hunter2"},
    "PUT /api/v1/secrets/<secret>": {"value": "hunter2-hunter2"},
    "POST /api/v1/channels": {"name": "new", "config": HOOKS, "credential": "0123456789abcdef"},
    "PATCH /api/v1/channels/<channel>": {"is_enabled": True},
    "POST /api/v1/chat-links": {"channel": "x"},
    "PUT /api/v1/preferences": {"channel": "x", "notice": "automation_finished", "is_on": True},
}

QUERIES = {
    "GET /api/v1/can": "?action=view&resource=templates",
    "GET /api/v1/automations/<automation_id>/log/search": "?text=x",
    "GET /api/v1/logs/search": "?text=x",
}

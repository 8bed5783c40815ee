"""Which routes each listener offers, of all folders."""

from __future__ import annotations

from opsicle.server.approvals import routes as approvals
from opsicle.server.artifacts import routes as artifacts
from opsicle.server.assembly import Services
from opsicle.server.audit import routes as audit
from opsicle.server.automations import routes as automations
from opsicle.server.channels import routes as channels
from opsicle.server.dispatch import routes as worker_jobs
from opsicle.server.files import routes as files
from opsicle.server.http.routing import Route
from opsicle.server.identity.routes import accounts, identity
from opsicle.server.logs import routes as logs
from opsicle.server.members.routes import (
    groups,
    invitations,
    orgs,
    roles,
    service_accounts,
    tokens,
    users,
)
from opsicle.server.members.routes import identity as member_identity
from opsicle.server.operation import routes as operation
from opsicle.server.policies import routes as policies
from opsicle.server.schedules import routes as schedules
from opsicle.server.secrets import routes as secrets
from opsicle.server.targets import routes as targets
from opsicle.server.templates import routes as templates
from opsicle.server.triggers import routes as triggers
from opsicle.server.workers.routes import enrol, workers


def user_routes(services: Services) -> list[Route]:
    """Return what the users' listener offers about orgs and what they have."""
    return [
        *accounts.routes(services.server_setup, services.logins, services.accounts),
        *identity.routes(services.identity),
        *member_identity.routes(services.recovery, services.forgotten_passwords),
        *orgs.routes(services.orgs, services.accounts, services.server_operations),
        *operation.routes(services.org_operations, services.org_status, services.announcements),
        *workers.operator_routes(services.workers, services.join_tokens),
        *tokens.routes(services.tokens),
        *invitations.routes(services.invitations),
        *users.routes(services.users),
        *service_accounts.routes(services.service_accounts),
        *groups.routes(services.groups),
        *roles.routes(services.roles, services.permission_checks),
        *templates.routes(services.templates, services.drafts),
        *schedules.routes(services.schedules),
        *triggers.routes(services.triggers, services.hooks, services.sample_calls),
        *targets.routes(services.targets),
        *automations.routes(
            services.automations,
            services.resumes,
            services.group_releases,
            services.job_logs,
            services.live_streams,
            services.target_automations,
            services.target_last_runs,
            services.order_trails,
        ),
        *artifacts.routes(services.artifacts),
        *files.routes(services.files),
        *logs.routes(services.logs),
        *workers.routes(services.workers, services.join_tokens),
        *secrets.routes(services.secrets, services.secret_usage),
        *policies.routes(services.policies),
        *approvals.routes(services.approvals),
        *channels.routes(services.channel_services),
        *audit.routes(services.audit),
        *enrol.routes(services.enrolments),
    ]


def worker_routes(services: Services) -> list[Route]:
    """Return what the workers' listener offers."""
    return [
        *worker_jobs.routes(
            services.dispatch,
            services.jobs,
            services.job_artifacts,
            services.job_files,
            services.audit_checkpoints,
            services.epoch_reports,
        ),
        *enrol.worker_routes(services.enrolments, services.ephemeral_workers),
    ]

"""Every public endpoint of the server as a function. A noun's functions are in the noun's file."""

from __future__ import annotations

from opsicle.client.accounts import AccountCalls
from opsicle.client.approvals import ApprovalCalls
from opsicle.client.artifacts import ArtifactCalls
from opsicle.client.audit import AuditCalls
from opsicle.client.automations import AutomationCalls
from opsicle.client.channels import ChannelCalls
from opsicle.client.groups import GroupCalls
from opsicle.client.identity import IdentityCalls
from opsicle.client.invitations import InvitationCalls
from opsicle.client.orgs import OrgCalls
from opsicle.client.policies import PolicyCalls
from opsicle.client.roles import RoleCalls
from opsicle.client.secrets import SecretCalls
from opsicle.client.service_accounts import ServiceAccountCalls
from opsicle.client.templates import TemplateCalls
from opsicle.client.tokens import TokenCalls
from opsicle.client.users import UserCalls
from opsicle.client.workers import WorkerCalls


class Api(
    AccountCalls,
    ApprovalCalls,
    ArtifactCalls,
    AuditCalls,
    AutomationCalls,
    ChannelCalls,
    GroupCalls,
    IdentityCalls,
    InvitationCalls,
    OrgCalls,
    PolicyCalls,
    RoleCalls,
    SecretCalls,
    ServiceAccountCalls,
    TemplateCalls,
    TokenCalls,
    UserCalls,
    WorkerCalls,
):
    """One server, as one caller sees it: a method for each of its public endpoints."""

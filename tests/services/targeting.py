"""Targets of an org."""

from __future__ import annotations

import msgspec

from opsicle.server.access.actor import Actor
from opsicle.server.access.rights import scope_grants
from opsicle.wire.document_api import DocumentPushed
from opsicle.wire.jobs import Work
from opsicle.wire.secret_api import CreateSecretRequest
from opsicle.wire.target_api import PushTargetRequest
from tests.services.core import Core, TestWorker
from tests.services.fanning import Fanning, each_source

ALLOWED = tuple(
    f"allow {each}" for each in ("view targets", "execute targets", "execute templates")
)
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----"
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL4yibV1lZXGPSnTomG+yXAkCBuqz+ADQqnceIXFyrbX"


def target_source(*lines: str, name: str = "web1", labels: str = "role: web") -> str:
    """Return a document; `lines` are further ones of its spec, or take the place of its own."""
    own = {
        "host": f"{name}.example.com",
        "user": "deploy",
        "hostKeys": f'["{HOST_KEY}"]',
        "credential": "{secret: web-key}",
    }
    spec = own | dict(line.split(": ", 1) for line in lines)
    more = "".join(f"  {field}: {value}\n" for field, value in spec.items())
    return (
        f"apiVersion: v1\ntype: Target\nmetadata: {{name: {name}, labels: {{{labels}}}}}\n"
        f"spec:\n{more}"
    )


def push_target(core: Core, actor: Actor, *lines: str, **about: str) -> DocumentPushed:
    return core.services.targets.push(actor, target_request(*lines, **about))


def target_request(*lines: str, **about: str) -> PushTargetRequest:
    return PushTargetRequest(source=target_source(*lines, **about))


def with_rules(actor: Actor, *rules: str) -> Actor:
    """Return somebody who may only what these rules allow, as a token's scopes do."""
    written = "[" + ", ".join(f'"{rule}"' for rule in rules) + "]"
    return msgspec.structs.replace(actor, rights=actor.rights.below(scope_grants(written)))


def targets_source(inside: str = "labels: {role: web}", *lines: str) -> str:
    return each_source(inside, *lines).replace("{each:", "{targets:")


class Reaching(Fanning):
    """An automation on the targets web1 and web2, and a worker that speaks SSH."""

    reaching: TestWorker

    @property
    def carol(self) -> Actor:
        """The admin who pushes targets and template."""
        assert self.pusher
        return self.pusher

    def push(self, inside: str = "labels: {role: web}", *lines: str) -> Reaching:
        self.core.services.secrets.create(
            self.pusher or self.actor, CreateSecretRequest(name="web-key", value=KEY)
        )
        for name in ("web2", "web1"):
            push_target(self.core, self.pusher or self.actor, name=name, labels="role: web")
        push_target(self.core, self.pusher or self.actor, name="db1", labels="role: db")
        self.core.push_again(self.pusher or self.actor, targets_source(inside, *lines))
        self.reaching = self.worker("w1")
        self.core.worker(self.actor.org_id, "plain").poll()
        return self

    def worker(self, name: str, **labels: str) -> TestWorker:
        worker = self.core.worker(self.actor.org_id, name, 9, **labels)
        worker.runtimes = ("subprocess", "ssh")
        worker.poll()
        return worker

    def take_all(self) -> dict[str, Work]:
        """Let the worker begin all that it is given; by target."""
        works = self.reaching.poll().work
        for work in works:
            self.reaching.start(work)
        return {work.target.name: work for work in works if work.target}

"""Targets: systems that jobs act on over SSH, from a worker that reaches them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec

from opsicle.domain.label_expressions import label_term, parse_expression

MOST_TARGETS = 2_000
"""How many an org may have: choosing among them reads them all."""

SSH_PORT = 22


class Target(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A host, and how it is reached.

    `host_keys` are the only keys by which it may show itself, each as in a line of `known_hosts`
    behind the name: `ssh-ed25519 AAAA…`. `secret` names the secret of the org that holds the
    private key for `user`. `runs_on` and `runs_on_where` say which workers reach it, as those of a
    template do: labels that they must have been granted.
    """

    name: str
    host: str
    user: str
    host_keys: tuple[str, ...]
    secret: str
    labels: dict[str, str] = {}
    port: int = SSH_PORT
    runs_on: dict[str, str] = {}
    runs_on_where: str = ""
    description: str = ""

    @property
    def address(self) -> str:
        """Where it is, as people write it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.user}@{host}" if self.port == SSH_PORT else f"{self.user}@{host}:{self.port}"


class TargetSelector(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Which targets are meant: those with these labels, that fulfil `where`, and are named.

    Each part that is given must hold.
    """

    labels: dict[str, str] = {}
    where: str = ""
    names: tuple[str, ...] = ()

    def selects(self, name: str, labels: Mapping[str, str]) -> bool:
        """Return whether a target of this name, with these labels, is meant.

        As in Kubernetes, `!=` and `notin` hold where there is no such label.
        """
        if self.names and name not in self.names:
            return False
        exact = tuple(label_term(key, value) for key, value in self.labels.items())
        terms = exact + parse_expression(self.where) if self.where else exact
        return all(term.holds(labels.get(term.key)) for term in terms)


def digest(target: Target) -> str:
    """Return `sha256:…` over what the target says."""
    return "sha256:" + hashlib.sha256(msgspec.json.encode(target, order="sorted")).hexdigest()

"""The networks, beside the public ones, that the server's operator lets its orgs reach.

None unless told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from opsicle.domain.channels import ChannelConfig
from opsicle.domain.errors import Problem
from opsicle.domain.networks import is_allowed, parse_network


class EgressBounds:
    """Bounds on networks, asked when a channel is changed and again when it is used."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        self.networks = tuple(networks)

    def problems_of(self, config: ChannelConfig) -> Iterator[Problem]:
        """Yield the networks of a channel's settings that its org may not allow."""
        for i, network in enumerate(config.allow_networks):
            if not self._allows(network):
                yield Problem(
                    f"config.allow_networks[{i}]",
                    "whoever runs this server has not opened this network to channels "
                    "(opsicle server --allow-egress)",
                )

    def narrowed(self, config: ChannelConfig) -> ChannelConfig:
        """Return the settings with those networks alone that are allowed now."""
        networks = tuple(network for network in config.allow_networks if self._allows(network))
        return msgspec.structs.replace(config, allow_networks=networks)

    def _allows(self, network: str) -> bool:
        return is_allowed(parse_network(network), [parse_network(bound) for bound in self.networks])

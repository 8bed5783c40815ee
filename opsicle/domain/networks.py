"""Which addresses the server may connect to on behalf of an org.

Two have a say: an admin of the org names the networks that a channel may reach though they are not
public, and whoever runs the server sets the bounds within which they may. What belongs to the
machine itself is in no org's gift at all.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""A gateway passes these on to the IPv4 address in their last 32 bits (RFC 6052)."""

_GUARDED = tuple(
    ipaddress.ip_network(text)
    for text in (
        # link-local: AWS, Azure, Google, Oracle and others answer at 169.254.169.254
        "169.254.0.0/16",
        "fe80::/10",
        "fd00:ec2::/32",  # AWS
        "fd20:ce::254/128",  # Google
        "fd00:c1::a9fe:a9fe/128",  # Oracle
        "100.100.100.200/32",  # Alibaba
        "168.63.129.16/32",  # Azure's own, which looks like a public address
        "192.0.0.192/32",  # Oracle's, likewise
    )
)
"""Where a cloud hands credentials to whoever asks from the machine, and what is next to it on the
wire."""


def parse_network(text: str) -> Network:
    """Return a network such as 10.0.0.0/8, or one address. Raises ValueError."""
    return ipaddress.ip_network(text.strip())


def may_reach(address: str, allowed: Iterable[str]) -> bool:
    """Return whether an address is public, or in one of the networks that have been allowed.

    An IPv4 address inside an IPv6 one (mapped, 6to4, NAT64) counts as what it is.
    """
    return is_in(address, allowed) or _is_public(_unwrapped(address))


def is_in(address: str, networks: Iterable[str]) -> bool:
    """Return whether an address belongs to one of these networks.

    A guarded one does so only if they name it narrowly.
    """
    ip = _unwrapped(address)
    guard = _guard_of(ip)
    return any(
        ip in network and (guard is None or _is_within(network, guard))
        for network in map(parse_network, networks)
    )


def is_allowed(network: Network, bounds: Iterable[Network]) -> bool:
    """Return whether an org may allow this network: one of the bounds holds all of it.

    A guarded network must stand in the bounds itself: 0.0.0.0/0 does not mean it.
    """
    guards = [guard for guard in _GUARDED if _is_within(network, guard)]
    return any(
        _is_within(network, bound) and all(_is_within(bound, guard) for guard in guards)
        for bound in bounds
    )


def _unwrapped(address: str) -> Address:
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        translated = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None
        return ip.ipv4_mapped or ip.sixtofour or translated or ip
    return ip


def _guard_of(ip: Address) -> Network | None:
    return next((guard for guard in _GUARDED if ip in guard), None)


def _is_within(inner: Network, outer: Network) -> bool:
    if isinstance(inner, ipaddress.IPv4Network):
        return isinstance(outer, ipaddress.IPv4Network) and inner.subnet_of(outer)
    return isinstance(outer, ipaddress.IPv6Network) and inner.subnet_of(outer)


def _is_public(ip: Address) -> bool:
    is_special = (
        ip.is_multicast or ip.is_reserved or ip.is_unspecified or ip.is_link_local or ip.is_loopback
    )
    is_old_site = isinstance(ip, ipaddress.IPv6Address) and (
        ip.is_site_local or ip.teredo is not None
    )
    return ip.is_global and not is_special and not is_old_site and _guard_of(ip) is None

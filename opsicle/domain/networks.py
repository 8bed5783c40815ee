"""Which addresses the server may connect to on behalf of an org."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def parse_network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """A network such as 10.0.0.0/8, or one address. Raises ValueError."""
    return ipaddress.ip_network(text.strip())


def may_reach(address: str, allowed: Iterable[str]) -> bool:
    """Whether an address is on the public internet, or in one of the networks that an admin has allowed.

    An IPv4 address inside an IPv6 one (mapped, 6to4) counts as what it is.
    """
    return is_in(address, allowed) or _is_public(_unwrapped(address))


def is_in(address: str, networks: Iterable[str]) -> bool:
    """Whether an address belongs to one of these networks."""
    ip = _unwrapped(address)
    return any(ip in parse_network(network) for network in networks)


def _unwrapped(address: str) -> Address:
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        return ip.ipv4_mapped or ip.sixtofour or ip
    return ip


def _is_public(ip: Address) -> bool:
    is_special = ip.is_multicast or ip.is_reserved or ip.is_unspecified or ip.is_link_local or ip.is_loopback
    is_old_site = isinstance(ip, ipaddress.IPv6Address) and (ip.is_site_local or ip.teredo is not None)
    return ip.is_global and not is_special and not is_old_site

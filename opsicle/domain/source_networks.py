"""What counts as one source of connections and attempts, whatever addresses it has."""

from __future__ import annotations

import ipaddress

_IPV6_NETWORK = 64
"""Whoever has one IPv6 address usually has 2⁶⁴ of them."""


def source_network(address: str) -> str:
    """Return an IPv4 address as it is, an IPv6 address's network, and any other text itself."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address):
        return str(ip.ipv4_mapped or ipaddress.ip_network((int(ip), _IPV6_NETWORK), strict=False))
    return str(ip)

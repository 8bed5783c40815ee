"""Which addresses the server connects to on an org's behalf."""

from __future__ import annotations

import pytest

from opsicle.domain.networks import is_allowed, is_in, may_reach, parse_network

PUBLIC = ["93.184.216.34", "2606:2800:220:1::1", "8.8.8.8"]
PRIVATE = [
    "127.0.0.1", "127.8.9.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1",
    "169.254.169.254", "100.64.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1", "192.0.2.1",
    "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1",
    "fd12::1", "fec0::1", "ff02::1", "2001:db8::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1",
    "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::7f00:1", "::ffff:0:7f00:1",
    "0.1.2.3", "fd00:ec2::254", "fd20:ce::254",
    "100.100.100.200", "168.63.129.16", "192.0.0.192", "::ffff:168.63.129.16",
    "2002:7f00:0001::1", "2002:0a00:0001::1", "2001:0:7f00:1::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_may_be_reached(address: str) -> None:
    assert may_reach(address, ())


@pytest.mark.parametrize("address", PRIVATE)
def test_no_other_address_may_be_reached_unless_its_network_is_allowed(address: str) -> None:
    assert not may_reach(address, ())
    assert not may_reach(address, ("198.51.100.0/24", "2001:db8:ffff::/48"))


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("127.0.0.1", "127.0.0.0/8"),
        ("::ffff:10.0.0.1", "10.0.0.0/8"),
        ("::1", "::1/128"),
        ("fd12::1", "fd12::/16"),
    ],
)
def test_an_allowed_network_may_be_reached(address: str, network: str) -> None:
    assert may_reach(address, (network,))
    assert is_in(address, (network,))


def test_a_network_of_the_other_family_allows_nothing() -> None:
    assert not may_reach("10.0.0.1", ("::/0",))
    assert not may_reach("::1", ("0.0.0.0/0",))


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "168.63.129.16"]
)
def test_a_wide_network_does_not_lead_to_where_a_cloud_hands_out_credentials(address: str) -> None:
    assert not may_reach(address, ("0.0.0.0/0", "::/0", "168.0.0.0/8"))
    assert may_reach(address, ("169.254.169.254", "168.63.129.16/32"))


@pytest.mark.parametrize(
    ("network", "bounds", "expected"),
    [
        ("10.1.0.0/16", ["10.0.0.0/8"], True),
        ("10.0.0.0/8", ["10.0.0.0/8"], True),
        ("10.0.0.0/8", ["10.1.0.0/16"], False),
        ("10.1.0.0/16", [], False),
        ("0.0.0.0/0", ["10.0.0.0/8"], False),
        ("fd12::/16", ["fc00::/7"], True),
        ("fd12::/16", ["0.0.0.0/0"], False),
        ("169.254.169.254/32", ["0.0.0.0/0"], False),
        ("169.254.0.0/16", ["0.0.0.0/0", "10.0.0.0/8"], False),
        ("168.63.129.16/32", ["168.0.0.0/8"], False),
        ("169.254.169.254/32", ["169.254.0.0/16"], True),
    ],
)
def test_an_org_allows_what_the_provider_has_opened_and_nothing_more(
    network: str, bounds: list[str], expected: bool
) -> None:
    assert (
        is_allowed(parse_network(network), [parse_network(bound) for bound in bounds]) is expected
    )

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailnode.errors import ErrorCode, UsageError
from mailnode.node.address_guard import AddressGuard, is_public

STRICT = AddressGuard()


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "100.128.0.1", "2606:4700::1111", "2a00:1450:4001::1"])
def test_a_public_address_passes(address: str) -> None:
    assert STRICT.allows("example.org", ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",  # carrier-grade NAT
        "100.100.100.200",  # metadata in Alibaba's cloud
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",  # Azure
        "169.254.169.254",  # metadata in most clouds
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.0.192",  # metadata in Oracle's cloud
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "233.252.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::8.8.8.8",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::7f00:1",
        "64:ff9b::8.8.8.8",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:808:808::1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",  # metadata in Amazon's cloud
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
    ],
)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    assert not STRICT.allows("example.org", ip_address(address))


@given(st.ip_addresses(v=4))
@settings(max_examples=100)
def test_no_spelling_of_an_ipv4_address_in_ipv6_passes(address: IPv4Address) -> None:
    low = int(address)
    for prefix in ("::", "::ffff:0:0", "64:ff9b::"):
        assert not is_public(IPv6Address(int(IPv6Address(prefix)) | low))
    assert not is_public(IPv6Address(int(IPv6Address("2002::")) | low << 80))


def test_a_network_opens_its_addresses_for_every_host() -> None:
    guard = AddressGuard.from_text("10.2.0.0/16, fd00::/8,127.0.0.1")
    assert guard.allows("any.example", ip_address("10.2.3.4"))
    assert guard.allows("any.example", ip_address("fd12::1"))
    assert guard.allows("any.example", ip_address("127.0.0.1"))
    assert not guard.allows("any.example", ip_address("10.3.0.1"))
    assert not guard.allows("any.example", ip_address("127.0.0.2"))
    assert not guard.allows("any.example", ip_address("::ffff:127.0.0.1"))


def test_a_host_opens_whatever_it_leads_to() -> None:
    guard = AddressGuard.from_text("Files.Internal, größe.example.")
    assert guard.allows("files.internal", ip_address("10.0.0.1"))
    assert guard.allows("FILES.INTERNAL.", ip_address("::1"))
    assert guard.allows("xn--gre-6ka8i.example", ip_address("10.0.0.1"))
    assert not guard.allows("other.internal", ip_address("10.0.0.1"))
    assert not guard.allows("a.files.internal", ip_address("10.0.0.1"))


@pytest.mark.parametrize(
    ("text", "address"), [("[::1]", "::1"), ("::1", "::1"), ("10.1.2.3/8", "10.200.0.1"), (" 10.0.0.1 ,,", "10.0.0.1")]
)
def test_entries_are_read_as_people_write_them(text: str, address: str) -> None:
    assert AddressGuard.from_text(text).allows("h", ip_address(address))


def test_nothing_is_allowed_by_an_empty_list() -> None:
    assert AddressGuard.from_text("") == AddressGuard.from_text(" , ") == STRICT


@pytest.mark.parametrize(
    "entry", ["*", "*.internal", "127.0.0.1:8080", "http://h/", "10.0.0.0/33", "a b", "a..b", "ö" * 80]
)
def test_an_entry_that_is_none_is_an_error(entry: str) -> None:
    with pytest.raises(UsageError, match="MAILNODE_FETCH_ALLOW") as caught:
        AddressGuard.from_text(f"10.0.0.1, {entry}")
    assert caught.value.code is ErrorCode.BAD_USAGE
    assert caught.value.hint

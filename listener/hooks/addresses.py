"""May a webhook connect there? Vets addresses, not names, when the connection is made: no answer of a DNS server helps.

Public addresses are fine. Loopback, private (RFC 1918), shared (RFC 6598) and unique local (RFC 4193) ones only with
`allow_private`. Never: link-local, multicast, unspecified, reserved, and the addresses where clouds hand out credentials.
An IPv6 address that carries an IPv4 one (mapped, NAT64, 6to4, Teredo) is judged by what it carries, too. No I/O.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

METADATA = frozenset(
    map(
        ip_address,
        (
            "169.254.169.254",  # AWS, Azure, Google, OpenStack
            "169.254.170.2",  # AWS ECS task credentials
            "fd00:ec2::254",  # AWS, IPv6
            "fd20:ce::254",  # Google, IPv6
            "100.100.100.200",  # Alibaba
            "192.0.0.192",  # Oracle
            "168.63.129.16",  # Azure's platform address, publicly routable by its number
        ),
    )
)
"""Refused whatever the settings say."""

_PRIVATE = (
    IPv4Network("10.0.0.0/8"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.168.0.0/16"),
    IPv4Network("100.64.0.0/10"),  # RFC 6598
    IPv4Network("127.0.0.0/8"),
    IPv6Network("::1/128"),
    IPv6Network("fc00::/7"),
)
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052
_NAT64_LOCAL = IPv6Network("64:ff9b:1::/48")  # RFC 8215: anything may be behind it


def refusal(address: str, *, allow_private: bool) -> str | None:
    """Why no connection may be made to this numeric address; None when it may. Anything unreadable is refused."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return "not a plain address"
    for candidate in (parsed, *_carried(parsed)):
        if reason := _refusal(candidate, allow_private):
            return reason
    return None


def _refusal(address: IPv4Address | IPv6Address, allow_private: bool) -> str | None:
    if address in METADATA:
        return "a cloud metadata address"
    if address.is_link_local or (isinstance(address, IPv6Address) and address.is_site_local):
        return "a link-local address"
    if address.is_unspecified or address.is_multicast:
        return "an unspecified or multicast address"
    if any(address in network for network in _PRIVATE if network.version == address.version):
        return None if allow_private else "a loopback or private address (allow_private is not set)"
    if isinstance(address, IPv6Address) and (address.ipv4_mapped or address in _NAT64 or address.sixtofour):
        return None  # what it carries is judged in its place
    if address.is_reserved or not address.is_global or (isinstance(address, IPv6Address) and address in _NAT64_LOCAL):
        return "a reserved address"
    return None


def _carried(address: IPv4Address | IPv6Address) -> tuple[IPv4Address, ...]:
    """The IPv4 addresses inside an IPv6 one."""
    if isinstance(address, IPv4Address):
        return ()
    nat64 = IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None
    teredo = address.teredo[1] if address.teredo else None
    return tuple(a for a in (address.ipv4_mapped, address.sixtofour, nat64, teredo) if a is not None)

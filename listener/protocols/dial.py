"""From a host name to a connected socket: DNS, the rule about plaintext, TCP, and how long each took.

Called by `Connection.open` only, under its deadline. Addresses are tried in the order the resolver prefers; one that does
not answer costs ADDRESS_SECONDS, the last one whatever is left.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import InsecureConnection, ServerUnavailable
from .endpoint import Endpoint, Security, is_loopback

ADDRESS_SECONDS = 15.0
KEEPALIVE = (60, 10, 3)
"""TCP keepalive: idle seconds, interval, probes. Finds peers that vanished without a word (NAT, containers)."""

AddressInfo = tuple[Any, ...]


@dataclass(slots=True)
class Timing:
    """Seconds that each step of opening took; None: not taken."""

    dns: float | None = None
    tcp: float | None = None
    tls: float | None = None


async def dial(endpoint: Endpoint, timing: Timing) -> socket.socket:
    """A connected, non-blocking socket with keepalive. Raises ServerUnavailable or InsecureConnection."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    addresses = await _resolve(endpoint, loop)
    permit(endpoint, [info[4][0] for info in addresses])
    timing.dns, begun = loop.time() - begun, loop.time()
    sock = await _reach(endpoint, addresses, loop)
    timing.tcp = loop.time() - begun
    return sock


def permit(endpoint: Endpoint, addresses: Sequence[str]) -> None:
    """Plaintext only within this machine, judged by the addresses and not by the name (R-58). Raises InsecureConnection."""
    if endpoint.security != Security.NONE or endpoint.insecure:
        return
    if not all(is_loopback(address) for address in addresses):
        raise InsecureConnection(
            f"{endpoint} is another machine, and the connection would not be encrypted",
            setting=endpoint.setting("security"),
            hint='use "tls" or "starttls"; insecure = true allows it, passwords and mail are then readable on the way',
        )


async def _resolve(endpoint: Endpoint, loop: asyncio.AbstractEventLoop) -> Sequence[AddressInfo]:
    try:
        return await loop.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        words = error.strerror if isinstance(error, OSError) else "not a host name"
        raise ServerUnavailable(
            f"the host name {endpoint.host!r} cannot be resolved ({words})",
            setting=endpoint.setting("host"),
            hint="check its spelling and this machine's DNS",
        ) from error


async def _reach(endpoint: Endpoint, addresses: Sequence[AddressInfo], loop: asyncio.AbstractEventLoop) -> socket.socket:
    errors: list[str] = []
    for info in addresses:
        patience = None if info is addresses[-1] else ADDRESS_SECONDS
        try:
            async with asyncio.timeout(patience):
                return await _connect(info, loop)
        except TimeoutError:  # an OSError too; the caller's own deadline comes as CancelledError
            errors.append("no answer")
        except OSError as error:
            errors.append(os.strerror(error.errno).lower() if error.errno else str(error))
    raise ServerUnavailable(
        f"nothing answers at {endpoint} ({', '.join(dict.fromkeys(errors))})",
        setting=endpoint.setting("port"),
        hint="check host, port and firewall",
    )


async def _connect(info: AddressInfo, loop: asyncio.AbstractEventLoop) -> socket.socket:
    family, kind, protocol, _, address = info
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        _keep_alive(sock)
        await loop.sock_connect(sock, address)
    except BaseException:  # cancelled too: the socket is nobody's yet
        sock.close()
        raise
    return sock


def _keep_alive(sock: socket.socket) -> None:
    idle, interval, probes = KEEPALIVE
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, idle)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, interval)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, probes)

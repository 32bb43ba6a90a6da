"""The way to a server, the same for every protocol: DNS, TCP, TLS, and the secret for the sign-in. Nothing is sent but TLS."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from ..errors import AccountFailure, ConnectionLost
from ..protocols.dial import Timing, dial
from ..protocols.endpoint import Endpoint
from ..protocols.graph.probing import clock_hint
from ..protocols.sasl import Credentials, Kind
from ..protocols.tls import TLSFacts
from .steps import Step, Steps, Watch

DIAL_SECONDS = 30.0
"""For DNS and TCP together."""
EXPIRES_SOON = 14 * 86400.0
"""Seconds before a certificate's end from which on it is worth a warning."""


async def reach(watch: Watch, endpoint: Endpoint) -> Steps:
    """DNS and TCP, on a connection of their own."""
    timing = Timing()
    watch.begin("dns")
    failure: AccountFailure | None = None
    address = ""
    try:
        async with asyncio.timeout(DIAL_SECONDS):
            sock = await dial(endpoint, timing)
        address = sock.getpeername()[0]
        sock.close()
    except TimeoutError:
        failure = ConnectionLost("no answer in time", setting=endpoint.setting("host"), hint="check host, port and firewall")
    except AccountFailure as error:
        failure = error
    if timing.dns is None and failure:
        raise failure
    dns = timing.dns or 0.0
    yield watch.ok(f"{endpoint.host} is {address}" if address else f"{endpoint.host} has an address", seconds=dns)
    watch.begin("tcp", ago=watch.seconds - dns)
    if failure:
        raise failure
    yield watch.ok(f"port {endpoint.port} answers", seconds=timing.tcp)


def secured(watch: Watch, endpoint: Endpoint, facts: TLSFacts | None, now: Callable[[], float]) -> Step:
    """The server greeted, under TLS where it was asked for: certificate and host name were checked by then."""
    if facts is None:
        hint = "" if not endpoint.insecure else "anybody on the way can read password and mail"
        return watch.ok("in clear text", hint, endpoint.setting("security") if hint else "")
    said = f"{facts.version}, {facts.cipher}; the certificate is trusted and names {endpoint.host}"
    if facts.expires is None:
        return watch.ok(said)
    until = datetime.fromtimestamp(facts.expires, UTC).date()
    soon = facts.expires - now() < EXPIRES_SOON
    return watch.ok(f"{said} until {until}", f"the certificate expires on {until}: its owner must renew it" if soon else "")


async def secret(watch: Watch, credentials: Credentials) -> Step:
    """The password can be read, or a token can be had. What it is never leaves `credentials`."""
    watch.begin("token" if credentials.kind == Kind.TOKEN else "password")
    await credentials.ask()
    if credentials.kind == Kind.TOKEN:
        return watch.ok("an access token was issued", clock_hint(watch.skew(), "the issuer's"))
    return watch.ok("the password could be read")

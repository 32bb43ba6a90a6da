"""Signing in at the embedded POP3 server: CAPA, STLS, USER and PASS, AUTH (RFC 1939 §7, 2449, 2595 §4, 5034).

Functions of (connection, command) that return the whole answer. Refusals are as in the field: a wrong password is `[AUTH]`
(RFC 3206), a maildrop held by another session `[IN-USE]`, a sign-in too soon `[LOGIN-DELAY]`, a wrong OAuth 2.0 token a
challenge with a JSON reason that the client must answer before the -ERR comes (RFC 7628 §3.2.3).
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import re

from .connection import Command, Connection
from .maildrop import Maildrop

REFUSED = b"-ERR [AUTH] wrong user or password\r\n"
OAUTH_REASON = {"status": "400", "schemes": "Bearer", "scope": "mail"}


async def capabilities(connection: Connection, command: Command) -> bytes:
    """RFC 2449 §5."""
    lines = [word.encode() + b"\r\n" for word in shown(connection)]
    return b"+OK\r\n" + b"".join(lines) + b".\r\n"


def shown(connection: Connection) -> list[str]:
    """The capabilities at this moment."""
    server = connection.server
    words = list(server.capabilities)
    if server.login_delay:
        words.append(f"LOGIN-DELAY {server.login_delay}")
    if connection.user is None:
        if server.starttls and not connection.secure:
            words.append("STLS")
        if _may_sign_in(connection):
            words += ["USER"] if server.user_and_pass else []
            words += [f"SASL {' '.join(server.mechanisms)}"] if server.mechanisms else []
    return [word for word in words if word.split(" ")[0] not in server.hidden]


async def stls(connection: Connection, command: Command) -> bytes:
    if connection.server.starttls is None or connection.secure:
        return b"-ERR no STLS here\r\n"
    connection.upgrade = connection.server.starttls
    return b"+OK begin TLS\r\n"


async def user(connection: Connection, command: Command) -> bytes:
    if not connection.server.user_and_pass or not _may_sign_in(connection):
        return b"-ERR [AUTH] not without TLS\r\n" if connection.server.user_and_pass else b"-ERR use AUTH\r\n"
    connection.named = command.argument.decode("utf-8", "replace")
    return b"+OK and the password?\r\n"


async def password(connection: Connection, command: Command) -> bytes:
    """All that stands behind `PASS `, blanks included (RFC 1939 §7)."""
    if connection.named is None:
        return b"-ERR USER comes first\r\n"
    name, connection.named = connection.named, None
    return _admit(connection, name, command.argument.decode("utf-8", "replace"))


async def authenticate(connection: Connection, command: Command) -> bytes:
    """RFC 5034 §4; PLAIN (RFC 4616), XOAUTH2 and OAUTHBEARER (RFC 7628), the response with the command or asked for."""
    mechanism, _, initial = command.argument.decode("ascii", "replace").partition(" ")
    mechanism = mechanism.upper()
    if mechanism not in connection.server.mechanisms or not _may_sign_in(connection):
        return b"-ERR no such mechanism\r\n"
    try:
        response = await _response(connection, initial.encode())
    except binascii.Error:
        return b"-ERR response is not base64\r\n"
    if mechanism == "PLAIN":
        parts = response.decode("utf-8", "replace").split("\0")
        return _admit(connection, parts[1], parts[2]) if len(parts) == 3 else _refuse(connection)
    pattern = rb"user=([^\x01]*)\x01auth=Bearer ([^\x01]*)\x01\x01"
    if mechanism == "OAUTHBEARER":
        pattern = rb"n,a=([^,\x01]*),\x01(?:[a-z]+=[^\x01]*\x01)*?auth=Bearer ([^\x01]*)\x01\x01"
    found = re.fullmatch(pattern, response)
    if found and _holds(connection.server.tokens, found[1], found[2]):
        return _welcome(connection, found[1].decode())
    await connection.send(b"+ " + base64.b64encode(json.dumps(OAUTH_REASON).encode()) + b"\r\n")
    await connection.line()
    return _refuse(connection)


async def _response(connection: Connection, initial: bytes) -> bytes:
    if not initial:
        await connection.send(b"+ \r\n")
        initial = (await connection.line()).strip()
    return base64.b64decode(b"" if initial == b"=" else initial, validate=True)


def _may_sign_in(connection: Connection) -> bool:
    return connection.secure or not connection.server.login_needs_tls


def _holds(secrets: dict[str, str], name: bytes, secret: bytes) -> bool:
    expected = secrets.get(name.decode("utf-8", "replace"))
    return expected is not None and hmac.compare_digest(expected.encode(), secret)


def _admit(connection: Connection, name: str, secret: str) -> bytes:
    if not _holds(connection.server.users, name.encode(), secret.encode()):
        return _refuse(connection)
    return _welcome(connection, name)


def _refuse(connection: Connection) -> bytes:
    connection.server.counters.refused_logins += 1
    return REFUSED


def _welcome(connection: Connection, name: str) -> bytes:
    """Take the lock and look at what is there (RFC 1939 §4)."""
    server = connection.server
    if name in server.locked:
        return b"-ERR [IN-USE] the maildrop is locked by another session\r\n"
    if server.too_soon(name):
        return b"-ERR [LOGIN-DELAY] wait a little\r\n"
    server.locked.add(name)
    connection.user = name
    connection.maildrop = Maildrop(server.folder(user=name))
    server.counters.logins += 1
    return b"+OK signed in\r\n"


HANDLERS = {"STLS": stls, "USER": user, "PASS": password, "AUTH": authenticate}

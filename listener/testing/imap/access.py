"""Commands of the embedded IMAP server before and beside folders: capabilities, STARTTLS, LOGIN, AUTHENTICATE, ENABLE, ID.

Called by the session. Refusals are as in the field: a wrong password is `[AUTHENTICATIONFAILED]` (RFC 5530), a wrong OAuth
2.0 token is a challenge with a JSON reason that the client must answer before the NO comes (RFC 7628 §3.2.3).
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import re

from .connection import Connection
from .grammar import Atom, Command, Malformed, Value

ANY_STATE = frozenset({"CAPABILITY", "NOOP", "LOGOUT", "ID"})
BEFORE_LOGIN = frozenset({"STARTTLS", "LOGIN", "AUTHENTICATE"})
NEEDS = {"IDLE": "IDLE", "MOVE": "MOVE", "ENABLE": "ENABLE", "ID": "ID", "NAMESPACE": "NAMESPACE", "UNSELECT": "UNSELECT"}
"""Commands that exist only while their capability is shown, or is part of what is shown."""

PART_OF_REV2 = frozenset({"IDLE", "MOVE", "ENABLE", "NAMESPACE", "UNSELECT", "UIDPLUS", "ESEARCH"})
"""RFC 9051 appendix E: a server of IMAP4rev2 alone need not name them."""

REFUSED = "NO [AUTHENTICATIONFAILED] wrong user or password"
OAUTH_REASON = {"status": "400", "schemes": "Bearer", "scope": "mail"}


def capabilities(connection: Connection) -> str:
    """The capabilities at this moment, blank-separated."""
    server = connection.server
    words = [word for word in server.capabilities if word not in server.hidden]
    if connection.user is None:
        if server.starttls and not connection.secure:
            words += ["STARTTLS"]
        if _may_log_in(connection):
            words += [f"AUTH={mechanism}" for mechanism in server.mechanisms]
        else:
            words += ["LOGINDISABLED"]
    return " ".join(words)


def offers(connection: Connection, capability: str) -> bool:
    """Whether the server has it at this moment, said or not."""
    server = connection.server
    implied = capability in PART_OF_REV2 and "IMAP4rev1" not in server.capabilities
    return capability in capabilities(connection).split() or (implied and capability not in server.hidden)


def _may_log_in(connection: Connection) -> bool:
    return connection.secure or not connection.server.login_needs_tls


async def capability(connection: Connection, command: Command) -> str:
    connection.say(f"* CAPABILITY {capabilities(connection)}\r\n".encode())
    return "OK capabilities listed"


async def noop(connection: Connection, command: Command) -> str:
    return "OK nothing done"


async def logout(connection: Connection, command: Command) -> str:
    connection.leave_folder()
    connection.leaving = True
    connection.say(b"* BYE till next time\r\n")
    return "OK logged out"


async def identify(connection: Connection, command: Command) -> str:
    connection.say(b'* ID ("name" "Listener test server")\r\n')
    return "OK pleased to meet you"


async def starttls(connection: Connection, command: Command) -> str:
    if connection.server.starttls is None or connection.secure:
        return "BAD no STARTTLS here"
    connection.upgrade = connection.server.starttls
    return "OK begin TLS"


async def login(connection: Connection, command: Command) -> str:
    match command.arguments:
        case [bytes() as user, bytes() as password]:
            return _admit(connection, user.decode("utf-8", "replace"), password.decode("utf-8", "replace"))
    raise Malformed("LOGIN takes user and password")


async def authenticate(connection: Connection, command: Command) -> str:
    """RFC 9051 §6.2.2 with SASL-IR; PLAIN (RFC 4616), XOAUTH2 and OAUTHBEARER (RFC 7628)."""
    if not command.arguments or not isinstance(command.arguments[0], Atom):
        raise Malformed("AUTHENTICATE takes a mechanism")
    mechanism = command.arguments[0].upper().decode("ascii", "replace")
    if mechanism not in connection.server.mechanisms:
        return "NO [CANNOT] no such mechanism"
    response = await _response(connection, command.arguments[1:])
    if mechanism == "PLAIN":
        parts = response.decode("utf-8", "replace").split("\0")
        return _admit(connection, parts[1], parts[2]) if len(parts) == 3 else REFUSED
    pattern = rb"user=([^\x01]*)\x01auth=Bearer ([^\x01]*)\x01\x01"
    if mechanism == "OAUTHBEARER":
        pattern = rb"n,a=([^,\x01]*),\x01(?:[a-z]+=[^\x01]*\x01)*?auth=Bearer ([^\x01]*)\x01\x01"
    found = re.fullmatch(pattern, response)
    if found and _token_holds(connection, found[1].decode("utf-8", "replace"), found[2].decode("utf-8", "replace")):
        return _welcome(connection, found[1].decode())
    await connection.send(b"+ " + base64.b64encode(json.dumps(OAUTH_REASON).encode()) + b"\r\n")
    await connection.line()
    connection.server.counters.refused_logins += 1
    return REFUSED


async def _response(connection: Connection, initial: tuple[Value, ...]) -> bytes:
    """The client's first response, given with the command (RFC 4959) or asked for."""
    if initial and isinstance(initial[0], bytes):
        text = b"" if initial[0] == b"=" else initial[0]
    else:
        await connection.send(b"+ \r\n")
        text = (await connection.line()).strip()
    if text == b"*":
        raise Malformed("cancelled")
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise Malformed("response is not base64") from error


def _token_holds(connection: Connection, user: str, token: str) -> bool:
    expected = connection.server.tokens.get(user)
    return expected is not None and hmac.compare_digest(expected.encode(), token.encode())


def _admit(connection: Connection, user: str, password: str) -> str:
    server = connection.server
    if not _may_log_in(connection):
        return "NO [PRIVACYREQUIRED] not without TLS"
    expected = server.users.get(user)
    if expected is None or not hmac.compare_digest(expected.encode(), password.encode()):
        server.counters.refused_logins += 1
        return REFUSED
    return _welcome(connection, user)


def _welcome(connection: Connection, user: str) -> str:
    connection.user = user
    connection.server.counters.logins += 1
    return f"OK [CAPABILITY {capabilities(connection)}] logged in"


async def enable(connection: Connection, command: Command) -> str:
    """RFC 9051 §6.3.1: what is unknown is passed over."""
    asked = {bytes(word).upper().decode("ascii", "replace") for word in command.arguments if isinstance(word, Atom)}
    shown = {word.upper() for word in capabilities(connection).split()}
    fresh = sorted((asked & shown) - connection.enabled)
    connection.enabled.update(fresh)
    connection.say(f"* ENABLED {' '.join(fresh)}".rstrip().encode() + b"\r\n")
    return "OK enabled"


HANDLERS = {
    "CAPABILITY": capability,
    "NOOP": noop,
    "LOGOUT": logout,
    "ID": identify,
    "STARTTLS": starttls,
    "LOGIN": login,
    "AUTHENTICATE": authenticate,
    "ENABLE": enable,
}

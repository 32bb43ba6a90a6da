"""What is wrong with an account's connection: each step by itself, with its time, what the server said and what to change.

`check_account` is an async generator, so that the command line and the console can show each step as it happens. It only
reads: folders are opened with EXAMINE, no mail is fetched or sent. A failed step ends its side (receiver or sender); the other
side is still tried. It connects with the daemon's own code, so a check that passes means something.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from .config import Account, ReceiverProtocol, SenderProtocol
from .config.files import account_warnings
from .config.presets import providers
from .config.values import as_duration
from .credentials import Section, TokenOf, credentials_of, endpoint_of
from .errors import AccountFailure, AuthenticationRefused, ConnectionLost, FolderMissing, PermanentFailure
from .mailbox import Folder
from .protocols import smtp
from .protocols.connection import Connection
from .protocols.dial import Timing, dial
from .protocols.endpoint import Endpoint, Security
from .protocols.graph.grants import granted
from .protocols.graph.mailbox import GraphMailbox, GraphSettings
from .protocols.graph.probing import MAX_SKEW, clock_hint, is_refused
from .protocols.graph.sending import GraphSender
from .protocols.imap import answers, mutf7, sign_in
from .protocols.imap.encode import Command
from .protocols.imap.folders import folder_status, open_folder
from .protocols.imap.session import Session
from .protocols.pop3 import sign_in as pop3
from .protocols.pop3.reading import read_maildrop
from .protocols.sasl import Credentials, Kind
from .protocols.tls import TLSFacts

DIAL_SECONDS = 30.0
"""For DNS and TCP together."""
EXPIRES_SOON = 14 * 86400.0
"""Seconds before a certificate's end from which on it is worth a warning."""
USEFUL = ("IDLE", "MOVE", "UIDPLUS", "CONDSTORE", "ESEARCH")
"""Capabilities that make a difference to us."""
NAMES_SHOWN = 30
"""Folder names that are listed when one is missing."""

_SHUT = "receiver.must_be_refused"
NAME_SHOWN = 60
"""Characters of a folder's name."""

Steps = AsyncGenerator["Step"]


@dataclass(frozen=True, slots=True)
class Step:
    """One step's result. `said`: what was found, or what is wrong; `hint`: what to do; `setting`: the one that it is about.

    A step that is `ok` may have a hint too: it works and should still be looked at. `seconds` is how long it took.
    """

    side: Section
    name: str
    ok: bool
    seconds: float
    said: str
    hint: str = ""
    setting: str = ""


class _Watch:
    """Times the step under way; whatever is raised belongs to it."""

    def __init__(self, side: Section) -> None:
        self.side: Section = side
        self.begin("settings")

    def begin(self, name: str, ago: float = 0.0) -> None:
        """A step begins now, or began `ago` seconds ago."""
        self._name, self._begun = name, time.perf_counter() - ago

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.perf_counter() - self._begun

    def ok(self, said: str, hint: str = "", setting: str = "", *, seconds: float | None = None) -> Step:
        """It succeeded."""
        return Step(self.side, self._name, True, self.seconds if seconds is None else seconds, said, hint, setting)

    def failed(self, error: AccountFailure) -> Step:
        """It failed so."""
        return Step(self.side, self._name, False, self.seconds, error.reason, error.hint, error.setting)


async def check_account(account: Account, token_of: TokenOf, *, now: Callable[[], float] = time.time) -> Steps:
    """What the settings should be looked at for, then every step of the receiver, then of the sender.

    Raises nothing that is the account's or the server's fault.
    """
    for setting, said in account_warnings(account, datetime.fromtimestamp(now(), UTC).date()):
        yield Step("sender" if setting.startswith("sender") else "receiver", "settings", True, 0.0, said, setting=setting)
    sides = [_receiver(_Watch("receiver"), account, token_of, now)]
    if account.sender is not None:
        sides.append(_sender(_Watch("sender"), account, token_of, now))
    for side in sides:
        async with aclosing(side):
            async for step in side:
                yield step


async def _receiver(watch: _Watch, account: Account, token_of: TokenOf, now: Callable[[], float]) -> Steps:
    ways = {ReceiverProtocol.IMAP: _imap, ReceiverProtocol.POP3: _pop3, ReceiverProtocol.GRAPH: _graph}
    way = ways[account.receiver.protocol]
    async for step in _guarded(watch, account, way(watch, account, token_of, now)):
        yield step


async def _sender(watch: _Watch, account: Account, token_of: TokenOf, now: Callable[[], float]) -> Steps:
    ways = {SenderProtocol.SMTP: _smtp, SenderProtocol.GRAPH: _graph_sender}
    if account.sender is not None:
        async for step in _guarded(watch, account, ways[account.sender.protocol](watch, account, token_of, now)):
            yield step


async def _guarded(watch: _Watch, account: Account, steps: Steps) -> Steps:
    """What the steps raise becomes a failed step, the last one of this side."""
    async with aclosing(steps):
        try:
            async for step in steps:
                yield step
        except AuthenticationRefused as error:
            yield _with_providers_hint(watch.failed(error), account)
        except AccountFailure as error:
            yield watch.failed(error)


def _with_providers_hint(step: Step, account: Account) -> Step:
    provider = providers().get(account.provider)
    hints = [hint for hint in (step.hint, provider.hint if provider else "") if hint]
    return replace(step, hint="; ".join(hints))


# --- the ways in ---------------------------------------------------------------------------------------------------------


async def _imap(watch: _Watch, account: Account, token_of: TokenOf, now: Callable[[], float]) -> Steps:
    endpoint, credentials = endpoint_of(account, "receiver"), credentials_of(account, "receiver", token_of)
    async for step in _reach(watch, endpoint):
        yield step
    watch.begin("tls" if endpoint.security != Security.NONE else "greeting")
    session = await sign_in.connect(endpoint)
    try:
        yield _secured(watch, endpoint, session.connection.facts, now)
        watch.begin("capabilities")
        if not session.capabilities:
            await session.run(Command("CAPABILITY"))
        yield watch.ok(_few(sorted(session.capabilities)))
        yield await _secret(watch, credentials)
        watch.begin("sign-in")
        await sign_in.authenticate(session, credentials)
        missing = [name for name in USEFUL if not session.offers(name)]
        yield watch.ok(f"signed in as {credentials.user}", f"without {', '.join(missing)}" if missing else "")
        for folder in account.receiver.folders:
            yield await _folder(watch, session, folder, now)
        if account.receiver.move_to is not None:
            yield await _target(watch, session, account.receiver.move_to)
        yield await _idle(watch, session, account)
    finally:
        await session.close()


async def _pop3(watch: _Watch, account: Account, token_of: TokenOf, now: Callable[[], float]) -> Steps:
    endpoint, credentials = endpoint_of(account, "receiver"), credentials_of(account, "receiver", token_of)
    async for step in _reach(watch, endpoint):
        yield step
    watch.begin("tls" if endpoint.security != Security.NONE else "greeting")
    session = await pop3.connect(endpoint)
    try:
        yield _secured(watch, endpoint, session.connection.facts, now)
        watch.begin("capabilities")
        yield watch.ok(_few(sorted(session.capabilities)) or "the server does not say")
        yield await _secret(watch, credentials)
        watch.begin("sign-in")
        await pop3.authenticate(session, credentials)
        yield watch.ok(f"signed in as {credentials.user}")
        watch.begin("maildrop")
        drops = await read_maildrop(session)
        nameless = sum(drop.uidl is None for drop in drops)
        hint = f"{nameless} without a unique-id of their own are fetched each time to be recognised" if nameless else ""
        yield watch.ok(f"{len(drops)} messages, {sum(drop.size for drop in drops)} octets", hint)
    finally:
        await session.quit()  # nothing was marked as deleted


async def _smtp(watch: _Watch, account: Account, token_of: TokenOf, now: Callable[[], float]) -> Steps:
    endpoint, credentials = endpoint_of(account, "sender"), credentials_of(account, "sender", token_of)
    async for step in _reach(watch, endpoint):
        yield step
    watch.begin("tls" if endpoint.security != Security.NONE else "greeting")
    client = await smtp.connect(endpoint)
    try:
        yield _secured(watch, endpoint, smtp.facts(client), now)
        yield await _secret(watch, credentials)
        watch.begin("sign-in")
        await smtp.authenticate(client, endpoint, credentials)
        yield watch.ok(f"signed in as {credentials.user}; nothing was sent")
    finally:
        await smtp.leave(client)


async def _graph(watch: _Watch, account: Account, token_of: TokenOf, now: Callable[[], float]) -> Steps:
    endpoint, credentials = endpoint_of(account, "receiver"), credentials_of(account, "receiver", token_of)
    async for step in _graph_way(watch, endpoint, credentials, now):
        yield step
    watch.begin("sign-in")
    mailbox = account.receiver.user_principal_name or account.receiver.user
    settings = GraphSettings(tuple(account.receiver.folders), read_only=True)
    session = await GraphMailbox.open(endpoint, mailbox, credentials.ask, settings, now=now)
    try:
        grants = granted(await credentials.ask())
        lacking = account.receiver.after != "keep" and "Mail.Read" in grants and "Mail.ReadWrite" not in grants
        hint = "without Mail.ReadWrite nothing can be marked, moved or deleted: grant it, or set after" if lacking else ""
        said = f"the mailbox {mailbox} answers" + (f"; the token grants {_few(grants)}" if grants else "")
        yield watch.ok(said, hint, "receiver.after" if hint else "")
        watch.begin("clock")
        yield watch.ok("the server's clock was compared with ours", clock_hint(session.client.skew))
        if account.receiver.must_be_refused is not None:
            yield await _shut(watch, endpoint, account.receiver.must_be_refused, credentials)
        for folder in account.receiver.folders:
            watch.begin("folder")
            yield watch.ok(f'"{folder}": {await session.count(Folder(folder))} messages')
            watch.begin("delta")
            yield watch.ok(f"the server lists its changes, {await session.first_page(Folder(folder))} on the first page")
        if account.receiver.move_to is not None:
            watch.begin("move target")
            try:
                await session.count(Folder(account.receiver.move_to))
            except FolderMissing as error:
                yield replace(watch.failed(error), setting="receiver.after")
            else:
                yield watch.ok(f'"{account.receiver.move_to}" is there')
    finally:
        await session.close()


async def _shut(watch: _Watch, endpoint: Endpoint, mailbox: str, credentials: Credentials) -> Step:
    """Another mailbox, which this application must not be able to read (R-54)."""
    watch.begin("refusal")
    try:
        shut = await is_refused(endpoint, mailbox, credentials.ask)
    except PermanentFailure as error:
        raise PermanentFailure(error.reason, setting=_SHUT, hint="this proves nothing: name a mailbox that exists") from error
    if not shut:
        said = f"the mailbox {mailbox} can be read with this account's token, and must not be"
        raise PermanentFailure(said, setting=_SHUT, hint="limit the application to its mailboxes: RBAC for Applications")
    return watch.ok(f"the mailbox {mailbox} is refused, as it must be")


async def _graph_sender(watch: _Watch, account: Account, token_of: TokenOf, now: Callable[[], float]) -> Steps:
    endpoint, credentials = endpoint_of(account, "sender"), credentials_of(account, "sender", token_of)
    async for step in _graph_way(watch, endpoint, credentials, now):
        yield step
    watch.begin("sign-in")
    sender = await GraphSender.open(endpoint, credentials.user, credentials.ask)
    try:
        await sender.check()
        grants = granted(await credentials.ask())
        lacking = grants and "Mail.Send" not in grants
        hint = "the token does not say Mail.Send: grant it, unless a role assignment in Exchange does" if lacking else ""
        yield watch.ok(f"the mailbox {credentials.user} answers; nothing was sent", hint, "sender.oauth" if hint else "")
    finally:
        await sender.close()


async def _graph_way(watch: _Watch, endpoint: Endpoint, credentials: Credentials, now: Callable[[], float]) -> Steps:
    async for step in _reach(watch, endpoint):
        yield step
    watch.begin("tls")
    connection = await Connection.open(endpoint)
    connection.close()
    yield _secured(watch, endpoint, connection.facts, now)
    yield await _secret(watch, credentials)


# --- steps that both have ------------------------------------------------------------------------------------------------


async def _reach(watch: _Watch, endpoint: Endpoint) -> Steps:
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


def _secured(watch: _Watch, endpoint: Endpoint, facts: TLSFacts | None, now: Callable[[], float]) -> Step:
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


async def _secret(watch: _Watch, credentials: Credentials) -> Step:
    """The password can be read, or a token can be had. What it is never leaves `credentials`."""
    watch.begin("token" if credentials.kind == Kind.TOKEN else "password")
    await credentials.ask()
    return watch.ok("an access token was issued" if credentials.kind == Kind.TOKEN else "the password could be read")


# --- steps of IMAP -------------------------------------------------------------------------------------------------------


async def _folder(watch: _Watch, session: Session, name: str, now: Callable[[], float]) -> Step:
    """One watched folder, opened without changing anything."""
    watch.begin("folder")
    try:
        selected = await open_folder(session, name, read_only=True)
    except FolderMissing as error:
        return replace(watch.failed(error), hint=f"there are: {_few(await _folder_names(session))}")
    following = selected.next_uid if selected.next_uid is not None else "not told"
    hint = "" if selected.validity else "without a UIDVALIDITY mail cannot be recognised safely"
    hint = hint or (await _clock(session, now) if selected.exists else "")
    return watch.ok(f'"{name}": {selected.exists} messages, UIDVALIDITY {selected.validity}, UIDNEXT {following}', hint)


async def _clock(session: Session, now: Callable[[], float]) -> str:
    """IMAP tells no time, but mail that came in the future by our clock shows that one of the clocks is wrong (R-104)."""
    _, data = await session.run(Command("FETCH", (b"*", b"(UID INTERNALDATE)")), want=frozenset({"FETCH"}))
    dates = [found.received_at for item in data if (found := answers.fetch(item)) and found.received_at is not None]
    ahead = max(dates, default=0.0) - now()
    if ahead <= MAX_SKEW:
        return ""
    return f"the newest message came {ahead:.0f} s in the future: set this machine's clock (tokens and signatures need it)"


async def _target(watch: _Watch, session: Session, name: str) -> Step:
    """The folder that handled mail is moved to."""
    watch.begin("move target")
    try:
        await folder_status(session, name)
    except FolderMissing as error:
        there = f"create it, or choose one of: {_few(await _folder_names(session))}"
        return replace(watch.failed(error), hint=there, setting="receiver.after")
    return watch.ok(f'"{name}" is there')


async def _folder_names(session: Session) -> list[str]:
    _, data = await session.run(Command("LIST", (b'""', b'"*"')), want=frozenset({"LIST"}))
    names = [value for item in data if isinstance(value := item.values[-1] if item.values else None, str | bytes)]
    texts = (name.decode("utf-8", "replace") if isinstance(name, bytes) else name for name in names)
    return [text if session.utf8 else mutf7.decode(text) for text in texts]


async def _idle(watch: _Watch, session: Session, account: Account) -> Step:
    watch.begin("idle")
    if not session.offers("IDLE"):
        often = as_duration(account.receiver.poll_interval)
        return watch.ok(
            "the server does not tell of new mail by itself", f"it is asked every {often}", "receiver.poll_interval"
        )
    await session.idle(0.0)
    return watch.ok("the server tells of new mail by itself")


def _few(names: list[str]) -> str:
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(_shown(name) for name in names[:NAMES_SHOWN]) + more


def _shown(name: str) -> str:
    text = "".join(c if c.isprintable() else "�" for c in name[:NAME_SHOWN])
    return f'"{text}"' if " " in text else text

"""The steps of an IMAP receiver: sign-in, each folder (by EXAMINE), the folder that mail is moved to, IDLE. Reads only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..config import Account
from ..config.values import as_duration
from ..credentials import TokenOf, credentials_of, endpoint_of
from ..errors import FolderMissing
from ..protocols.endpoint import Security
from ..protocols.graph.probing import MAX_SKEW
from ..protocols.imap import answers, mutf7, sign_in
from ..protocols.imap.encode import Command
from ..protocols.imap.folders import folder_status, open_folder
from ..protocols.imap.session import Session
from .reaching import reach, secret, secured
from .steps import Step, Steps, Watch, few

USEFUL = ("IDLE", "MOVE", "UIDPLUS", "CONDSTORE", "ESEARCH")
"""Capabilities that make a difference to us."""


async def receiver(watch: Watch, account: Account, token_of: TokenOf, now: Callable[[], float]) -> Steps:
    endpoint, credentials = endpoint_of(account, "receiver"), credentials_of(account, "receiver", token_of)
    async for step in reach(watch, endpoint):
        yield step
    watch.begin("tls" if endpoint.security != Security.NONE else "greeting")
    session = await sign_in.connect(endpoint)
    try:
        yield secured(watch, endpoint, session.connection.facts, now)
        watch.begin("capabilities")
        if not session.capabilities:
            await session.run(Command("CAPABILITY"))
        yield watch.ok(few(sorted(session.capabilities)))
        yield await secret(watch, credentials)
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


async def _folder(watch: Watch, session: Session, name: str, now: Callable[[], float]) -> Step:
    """One watched folder, opened without changing anything."""
    watch.begin("folder")
    try:
        selected = await open_folder(session, name, read_only=True)
    except FolderMissing as error:
        return replace(watch.failed(error), hint=f"there are: {few(await _folder_names(session))}")
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


async def _target(watch: Watch, session: Session, name: str) -> Step:
    """The folder that handled mail is moved to."""
    watch.begin("move target")
    try:
        await folder_status(session, name)
    except FolderMissing as error:
        there = f"create it, or choose one of: {few(await _folder_names(session))}"
        return replace(watch.failed(error), hint=there, setting="receiver.after")
    return watch.ok(f'"{name}" is there')


async def _folder_names(session: Session) -> list[str]:
    _, data = await session.run(Command("LIST", (b'""', b'"*"')), want=frozenset({"LIST"}))
    names = [value for item in data if isinstance(value := item.values[-1] if item.values else None, str | bytes)]
    texts = (name.decode("utf-8", "replace") if isinstance(name, bytes) else name for name in names)
    return [text if session.utf8 else mutf7.decode(text) for text in texts]


async def _idle(watch: Watch, session: Session, account: Account) -> Step:
    watch.begin("idle")
    if not session.offers("IDLE"):
        often = as_duration(account.receiver.poll_interval)
        return watch.ok(
            "the server does not tell of new mail by itself", f"it is asked every {often}", "receiver.poll_interval"
        )
    await session.idle(0.0)
    return watch.ok("the server tells of new mail by itself")

"""`deliver`: one message through one hook, as the daemon would call it, without a daemon.

    async def test_a_complaint_opens_a_ticket():
        outcome = await deliver(TicketHook(), Path("complaint.eml"))
        assert outcome == Filed(reference="T-1")

The message is parsed as always and its attachments can be opened; the case and the entry are made up, and can be given. What
the hook raises comes out as it is. docs/testing.md has more.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from pathlib import Path

from ..hooks import Case, Entry, Hook, Outcome
from ..hooks.calls import bound
from ..hooks.outcomes import checked
from ..ledger.filing import idempotency_key
from ..message import InboundMessage, parse

TIMEOUT = 60.0
"""Seconds that a hook has by default, here and in the daemon."""


async def deliver(
    hook: Hook | type[Hook],
    eml: bytes | str | Path,
    *,
    case: Case | None = None,
    account: str = "support",
    folder: str = "INBOX",
    attempt: int = 1,
    received_at: float | None = None,
    timeout: float = TIMEOUT,
) -> Outcome | None:
    """Parse `eml` (octets, or the path of a file), call start, handle once and stop, and return what handle answered.

    A class is instantiated without arguments. `case` None is a new one, opened by this message; give one with a `reference`
    to play a later message of a known case, and `attempt` to play a retry. The idempotency key is the daemon's own for this
    account, message and hook.

    Raises HookFailed for an answer that is no outcome, TimeoutError after `timeout` seconds, and whatever the hook raises.
    """
    octets = _octets(eml)
    message = bound(parse(octets), lambda: octets)
    running = hook() if isinstance(hook, type) else hook
    key = idempotency_key(account, hashlib.sha256(octets).digest(), _name(running))
    entry = Entry(1, account, folder, key, attempt, received_at, lambda: octets)
    async with asyncio.timeout(timeout):
        await _optional(running, "start")
        try:
            answer = await running.handle(message, _case(case, account, message), entry)
        finally:
            await _optional(running, "stop")
    return checked(answer)


def _octets(eml: bytes | str | Path) -> bytes:
    return eml if isinstance(eml, bytes) else Path(eml).read_bytes()


def _case(case: Case | None, account: str, message: InboundMessage) -> Case:
    if case is not None:
        return replace(case, account=account)
    requester = message.from_[0].address if message.from_ else ""
    return Case("AAAAAAAAAAAAA", account, message.subject, requester, "open", is_new=True)


def _name(hook: Hook) -> str:
    return f"python:{type(hook).__module__}:{type(hook).__qualname__}"


async def _optional(hook: Hook, name: str) -> None:
    method = getattr(hook, name, None)
    if method is not None:
        await method()

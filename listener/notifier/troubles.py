"""What is wrong at the moment, in words: from the accounts' progress, the ledger's counts and what expires. No I/O.

What begins is said at once; that it is over is said only once it is proven. An account that is on its way, cannot be reached or
has not tried its sender since the start proves nothing: its alerts stay as they are, so that a restart neither clears nor
repeats them and nobody reads "well again" of what is not.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from ..config import Alerts
from ..ledger import State
from ..status import AccountState, AccountStatus

Key = tuple[str, str]

SETTLED = frozenset({AccountState.RECEIVING, AccountState.IDLE, AccountState.POLLING, AccountState.STOPPED})
"""States that prove that the server is there, its certificate good and the sign-in taken, or that nobody wants to know."""
OF_STATE = {
    AccountState.AUTH_FAILED: ("auth_failed", "the sign-in was refused"),
    AccountState.NEEDS_CONSENT: ("needs_consent", "somebody has to give consent again"),
    AccountState.PARKED: ("parked", "it cannot go on by itself"),
}
OF_LEDGER = {
    State.DEAD: ("dead", "messages failed for good: listener messages --state dead"),
    State.QUARANTINED: ("quarantine", "messages are in quarantine: listener messages --state quarantined"),
}
TOKEN_ENDS = 300.0
"""Seconds before its end an access token should long have been followed by another."""
_OF_ACCOUNT = frozenset({"auth_failed", "needs_consent", "parked", "unreachable", "expiring", "canary", "sender"})


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known at `now` (POSIX seconds). `ends`: of profiles' secrets; `counts` by account, state and reason; `sending`
    and `probing`: the accounts that have a sender, and those that send themselves probes.
    """

    now: float
    statuses: Collection[AccountStatus]
    counts: Mapping[tuple[str, str, str], int]
    ends: Mapping[str, float]
    sending: Collection[str] = ()
    probing: Collection[str] = ()


def wrong(facts: Facts, settings: Alerts) -> dict[Key, str]:
    """Everything that is wrong, of the kinds that are asked for, with a sentence each."""
    found = (*_states(facts, settings), *_ledger(facts), *_expiring(facts, settings))
    return {(kind, about): said for kind, about, said in found if kind in settings.on}


def well(facts: Facts, wrong: Mapping[Key, str], raised: Iterable[Key]) -> list[Key]:
    """Those of the raised ones that are over."""
    statuses = {status.id: status for status in facts.statuses}
    return [
        (kind, about)
        for kind, about in raised
        if (kind, about) not in wrong
        and (kind not in _OF_ACCOUNT or (status := statuses.get(about)) is None or _is_over(kind, status, facts))
    ]


def _is_over(kind: str, status: AccountStatus, facts: Facts) -> bool:
    if kind == "sender":
        return status.sender_proven or status.id not in facts.sending
    if kind == "unreachable" and status.state is AccountState.BACKOFF:
        return status.last_success is not None  # it was there in between
    if kind == "canary" and status.id in facts.probing:
        return status.canary_proven and status.state in SETTLED
    return status.state in SETTLED


def _states(facts: Facts, settings: Alerts) -> Iterator[tuple[str, str, str]]:
    for status in facts.statuses:
        if status.state in OF_STATE:
            kind, said = OF_STATE[status.state]
            yield kind, status.id, f"{said}: {status.last_error}" if status.last_error else said
        elif status.state is AccountState.BACKOFF and _silent(status, facts.now) >= settings.unreachable_after:
            since = _moment(status.last_success) if status.last_success else "the start"
            yield (
                "unreachable",
                status.id,
                f"no round trip with its server since {since}: {status.last_error or 'no reason given'}",
            )
        if status.canary_due is not None and facts.now > status.canary_due:
            yield "canary", status.id, f"a probe mail to itself should have arrived by {_moment(status.canary_due)}"
        if status.sender_error:
            yield "sender", status.id, f"its mail cannot be sent: {status.sender_error}"


def _silent(status: AccountStatus, now: float) -> float:
    return now - (status.last_success if status.last_success is not None else status.created_at)


def _ledger(facts: Facts) -> Iterator[tuple[str, str, str]]:
    number: dict[tuple[str, str], int] = {}
    for (account, state, _), count in facts.counts.items():
        number[account, state] = number.get((account, state), 0) + count
    for (account, state), count in number.items():
        if count and state in OF_LEDGER:
            kind, said = OF_LEDGER[State(state)]
            yield kind, account, f"{count} {said} --account {account}"


def _expiring(facts: Facts, settings: Alerts) -> Iterator[tuple[str, str, str]]:
    limit = facts.now + settings.expires_within
    for status in facts.statuses:
        if status.state is AccountState.STOPPED:
            continue
        ends: list[tuple[float | None, float, Callable[[str], str]]] = [
            (status.token_expiry, facts.now + TOKEN_ENDS, lambda at: f"its access token ends at {at} and could not be renewed"),
            (status.certificate_expiry, limit, lambda at: f"its server's certificate ends at {at}"),
        ]
        said = [words(_moment(end)) for end, until, words in ends if end is not None and end < until]
        if said:
            yield "expiring", status.id, "; ".join(said)
    for profile, end in facts.ends.items():
        if end < limit:
            yield "expiring", f"oauth.{profile}", f"the secret or certificate of the profile ends at {_moment(end)}"


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="minutes")

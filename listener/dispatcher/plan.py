"""What the dispatcher is told: each account's plan, its limits, and whom to tell how it goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..cases import CaseRules
from ..message.model import InboundMessage, Trust
from ..rules import FloodLimit, Rules


def _never(_: InboundMessage) -> bool:
    return False


def _no_probe(message_id: str, accepted_at: float) -> float | None:
    return None


@dataclass(frozen=True, slots=True)
class AccountPlan:
    """One account's hooks in order, by the names of their hosts; whose verdicts on senders it believes; and its rules.

    `flood` None: no limit. `probe` says when the mail of that Message-ID was sent, if it is a probe of ours (canary.py), given
    when it was accepted. `answers` says whether a message bears a valid token of ours; `cases` is how its case is found.
    """

    hooks: tuple[str, ...] = ()
    trust: Trust = Trust()  # noqa: RUF009  (frozen)
    rules: Rules = ()
    flood: FloodLimit | None = None
    answers: Callable[[InboundMessage], bool] = _never
    cases: CaseRules = CaseRules()  # noqa: RUF009  (frozen)
    probe: Callable[[str, float], float | None] = _no_probe


@dataclass(frozen=True, slots=True)
class DispatchLimits:
    """Bounds. `hook_attempts` and `hook_concurrency` are settings; the others have proven themselves in bench/dispatch.py."""

    hook_attempts: int = 8
    """Attempts of one delivery; the last one's failure is its death."""
    hook_concurrency: int = 8
    """Calls of one hook at the same time."""
    ahead: int = 256
    """Messages taken from the ledger and not yet filed."""
    ahead_octets: int = 64 << 20
    """Octets of them before they are parsed; a single larger message is taken alone."""
    batch: int = 100
    """Messages filed in one commit."""


def _nothing(*_: object) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Observer:
    """Called as things happen, for metrics; must return at once."""

    filed: Callable[[int], None] = _nothing
    """So many messages were filed by one commit."""
    set_aside: Callable[[str, str], None] = _nothing
    """One was quarantined, ignored or died: the state, and its reason."""
    delivered: Callable[[str, str, float], None] = _nothing
    """A hook of that kind (python, webhook, command) was called: how it ended (done, ignored, deferred, failed, dead) and how
    many seconds it took.
    """
    canary: Callable[[str, float, float], None] = _nothing
    """A probe of that account was found: when it was sent, and when it was committed (POSIX seconds)."""
    latency: Callable[[str, float], None] = _nothing
    """A hook took a message of that account, so many seconds after its server received it."""

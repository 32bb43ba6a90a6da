"""The daemon's outgoing side: the outbox, by which policies messages are answered, and where its troubles show.

The supervisor makes one while it opens (a template that cannot be used is refused then), keeps its outbox running, gives it the
configuration anew at a reload, and drains it after the hooks, whose replies may still come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..admin.metrics import Metrics
from ..config import Config
from ..credentials.oauth import Tokens
from ..credentials.sealing import keyring
from ..errors import AccountFailure, ConfigurationError
from ..ledger import Ledger
from ..outbox import Observer, OpenCarrier, Outbox, SendingPlan, plan_of, template_faults
from ..responder.policy import policies_of
from ..status import AccountStatus


@dataclass(frozen=True, slots=True)
class Sending:
    """The outbox and the ledger's policies, always by one configuration. Made by `open_sending`."""

    ledger: Ledger
    outbox: Outbox

    def update(self, config: Config) -> None:
        """Answer and send by this one from now on. It was judged by `sending_plan` before."""
        self.ledger.responses.answer_by(policies_of(config))
        self.outbox.update(sending_plan(config))


def open_sending(
    config: Config,
    ledger: Ledger,
    tokens: Tokens,
    metrics: Metrics,
    open_carrier: OpenCarrier,
    statuses: Callable[[], Iterable[AccountStatus]],
    now: Callable[[], float],
    uniform: Callable[[float, float], float],
) -> Sending:
    """Nothing is sent yet. Raises ConfigurationError."""
    plan = sending_plan(config)
    show = Show(metrics, statuses)
    observer = Observer(show.settled, show.suppressed, show.trouble, show.breaker)
    outbox = Outbox(ledger, plan, tokens.token_of, open_carrier, observer, now=now, uniform=uniform)
    ledger.responses.answer_by(policies_of(config))
    return Sending(ledger, outbox)


def sending_plan(config: Config) -> SendingPlan:
    """Raises ConfigurationError listing every template that cannot be used."""
    if faults := template_faults(config):
        raise ConfigurationError(faults)
    any_sender = any(account.sender is not None for account in config.accounts)
    return plan_of(config, keyring(config.listener, make=any_sender))


@dataclass(frozen=True, slots=True)
class Show:
    """What the outbox tells, as counters, gauges and the accounts' status."""

    metrics: Metrics
    statuses: Callable[[], Iterable[AccountStatus]]

    def settled(self, purpose: str, state: str) -> None:
        """An outgoing mail reached that state."""
        if purpose in ("automatic", "hook"):
            self.metrics.count("replies_total", state)

    def suppressed(self, rule: str, number: int) -> None:
        """A rule forbade so many more."""
        self.metrics.count("replies_suppressed_total", rule, by=number)

    def trouble(self, account: str, error: AccountFailure | None) -> None:
        """An account cannot send, or can again."""
        for status in self.statuses():
            if status.id == account:
                status.sender_error, status.sender_proven = None if error is None else str(error), True

    def breaker(self, is_open: bool) -> None:
        """All automatic answers are stopped, or not."""
        self.metrics.set("reply_breaker_open", float(is_open))

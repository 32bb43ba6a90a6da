"""Tells people: of mail in their cases, and of what is wrong. Run by the supervisor as one task; sends nothing itself.

Mail goes out as rows of the ledger, which the outbox sends; the alert webhook is posted to here, as often as it takes. What is
to be told is in the ledger before anybody is told, so a restart forgets nothing and repeats nothing.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import structlog

from ..backoff import Backoff
from ..config import Account, Config
from ..hooks import HookFailed, HookRefused
from ..ledger import Alert, Ledger, Mailing, Notice, Person
from ..responder.notify import MAX_TEXT, NoticeView, subject_of, text_of
from ..responder.templates import AccountView, Source, TemplateFault
from ..status import AccountStatus
from .troubles import Facts, Key, well, wrong

EVERY = 10.0
"""Seconds between two looks."""
MAX_LINES = 500
"""Alerts that one mail names."""

log = structlog.get_logger(__name__)


class Hook(Protocol):
    """What `hooks.webhook.WebhookHost` does for alerts."""

    async def post(self, body: bytes, key: str) -> object:
        """Raises HookFailed or HookRefused."""
        ...


@dataclass(frozen=True, slots=True)
class Setting:
    """How to tell, by one configuration. `sources`: each account's template; `ends`: when secrets of profiles end."""

    config: Config
    sources: Mapping[str, Source]
    hook: Hook | None
    ends: Callable[[], Mapping[str, float]]


class Notifier:
    """Of one daemon. `setting` gives that of the moment, `statuses` every account's progress."""

    def __init__(
        self,
        ledger: Ledger,
        setting: Callable[[], Setting],
        statuses: Callable[[], Collection[AccountStatus]],
        now: Callable[[], float],
        uniform: Callable[[float, float], float],
    ) -> None:
        self._ledger, self._setting, self._statuses, self._now = ledger, setting, statuses, now
        self._backoff = Backoff(uniform)
        self._hook_rests_until = 0.0
        self._refusals: dict[tuple[Key, str], int] = {}

    async def run(self) -> None:
        """For ever."""
        while True:
            setting = self._setting()
            await self._tell_people(setting)
            await self._look_after(setting)
            await asyncio.sleep(EVERY)

    # --- mail in cases --------------------------------------------------------------------------------------------------

    async def _tell_people(self, setting: Setting) -> None:
        for person in await self._ledger.notices.people():
            account = setting.config.account(person.account)
            if account is None or account.notify is None or person.address not in _lower(account.notify.to):
                await self._drop(person)
            elif not 0 <= self._now() - person.told_at < account.notify.together:  # a clock set back must not silence it
                await self._tell(person, account, setting)

    async def _tell(self, person: Person, account: Account, setting: Setting) -> None:
        notices = await self._ledger.notices.of(person)
        if not notices:
            return
        seen = AccountView(account.id, account.name, account.address or "")
        views = [_view(notice, setting.config.admin.public_url) for notice in notices]
        try:
            text = text_of(setting.sources[account.id], seen, views)
        except TemplateFault as error:  # it rendered its sample at the start; the mail must still say something
            log.error("notification.template", account=account.id, error=str(error))
            text = "\n".join(f"{view.case}: {view.subject}" for view in views)
        await self._ledger.notices.tell(person, notices[-1].id, subject_of(seen, views), text)
        self._ledger.responses.stir()

    async def _drop(self, person: Person) -> None:
        notices = await self._ledger.notices.of(person)
        if notices:
            await self._ledger.notices.drop(person, notices[-1].id)

    # --- alerts ---------------------------------------------------------------------------------------------------------

    async def _look_after(self, setting: Setting) -> None:
        settings = setting.config.alerts
        alerts = await self._ledger.alerts.all()
        if settings is None and not alerts:
            return
        if unasked := [alert.key for alert in alerts if settings is not None and alert.kind not in settings.on]:
            await self._ledger.alerts.drop(unasked)
            alerts = [alert for alert in alerts if alert.key not in unasked]
        facts = await self._facts(setting)
        found = {} if settings is None else wrong(facts, settings)
        raised = {alert.key for alert in alerts if alert.cleared_at is None}
        over = well(facts, found, raised)
        if found.keys() - raised or over:
            mailing = _mailing(setting.config) if settings is not None else None
            for alert in await self._ledger.alerts.sync(found, over, mailing):
                if alert.cleared_at is None:
                    log.warning("alert.raised", kind=alert.kind, about=alert.about)
                else:
                    log.warning("alert.cleared", kind=alert.kind, about=alert.about)
            self._ledger.responses.stir()
            alerts = await self._ledger.alerts.all()
        await self._post(alerts, setting.hook)

    async def _facts(self, setting: Setting) -> Facts:
        counts, ends = await self._ledger.counts(), await asyncio.to_thread(setting.ends)
        accounts = setting.config.accounts
        sending = frozenset(account.id for account in accounts if account.sender is not None)
        probing = frozenset(account.id for account in accounts if account.canary is not None)
        return Facts(self._now(), self._statuses(), counts, ends, sending, probing)

    async def _post(self, alerts: list[Alert], hook: Hook | None) -> None:
        due = [alert for alert in alerts if alert.hooked != alert.state]
        self._refusals = {id: self._refusals.get(id, 0) for id in ((alert.key, alert.state) for alert in due)}
        for alert in sorted(due, key=lambda one: self._refusals[one.key, one.state]):  # one it never takes delays no other
            if hook is None or (alert.cleared_at is not None and alert.hooked == ""):
                await self._ledger.alerts.told(alert)  # nobody to tell, or nobody was told that it began
            elif self._now() >= self._hook_rests_until and not await self._posted(alert, hook):
                return

    async def _posted(self, alert: Alert, hook: Hook) -> bool:
        try:
            await hook.post(
                json.dumps(_as_json(alert)).encode("ascii"), f"{alert.kind}:{alert.about}:{alert.raised_at!r}:{alert.state}"
            )
        except (HookFailed, HookRefused) as error:
            self._hook_rests_until = self._now() + self._backoff.next()
            self._refusals[alert.key, alert.state] += 1
            log.warning("alert.not_posted", kind=alert.kind, about=alert.about, error=str(error))
            return False
        self._backoff.reset()
        await self._ledger.alerts.told(alert)
        return True


def words(alerts: Sequence[Alert]) -> tuple[str, str]:
    """Subject and text of the mail about what changed at one look: many accounts fall ill together when a network does."""
    if len(alerts) == 1:
        return _words(alerts[0])
    begun = sum(alert.cleared_at is None for alert in alerts)
    lines = [f"{'' if one.cleared_at is None else 'Well again: '}{one.kind} {one.about}: {one.said}" for one in alerts]
    more = [f"… and {len(lines) - MAX_LINES} more: listener accounts"] * (len(lines) > MAX_LINES)
    return f"[Listener] wrong: {begun}, well again: {len(alerts) - begun}", "\n".join([*lines[:MAX_LINES], *more]) + "\n"


def _words(alert: Alert) -> tuple[str, str]:
    if alert.cleared_at is not None:
        return (
            f"[Listener] Well again: {alert.kind} {alert.about}",
            f"{alert.about}: {alert.kind} is over.\n\nIt was: {alert.said}\n",
        )
    return f"[Listener] {alert.kind}: {alert.about}", f"{alert.about}: {alert.said}\n\nSince {_moment(alert.raised_at)}.\n"


def _mailing(config: Config) -> Mailing | None:
    settings = config.alerts
    if settings is None or not settings.mail_to or settings.account is None:
        return None
    return Mailing(settings.mail_to, settings.account, words)


def _as_json(alert: Alert) -> dict[str, str | None]:
    cleared = None if alert.cleared_at is None else _moment(alert.cleared_at)
    facts = {"alert": alert.kind, "about": alert.about, "state": alert.state, "said": alert.said}
    return {**facts, "raised_at": _moment(alert.raised_at), "cleared_at": cleared}


def _view(notice: Notice, public_url: str | None) -> NoticeView:
    url = f"{public_url.rstrip('/')}/cases/{notice.case}" if public_url else ""
    said = (notice.case, notice.is_new, notice.subject, notice.requester, notice.sender, _moment(notice.at))
    return NoticeView(*said, notice.text[:MAX_TEXT], url)


def _lower(addresses: Collection[str]) -> set[str]:
    return {address.lower() for address in addresses}


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")

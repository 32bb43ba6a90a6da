"""Who is told what, and how often: people of mail in their cases, operators of what is wrong and of its end."""

import asyncio
import json

import pytest
from ledger.makers import Clock, filed, message

from listener.config import Config
from listener.errors import ConfigurationError
from listener.hooks import HookFailed, HookRefused
from listener.ledger import Ledger
from listener.message.model import Address, Automatic, Kind
from listener.notifier import EVERY, Notifier, Setting
from listener.responder.policy import policies_of
from listener.status import AccountState, AccountStatus
from listener.supervisor.telling import sources_of

TEAM, BOSS = "team@example.com", "boss@example.com"


def configured(notify=None, alerts=None, account="support"):
    server = {"host": "127.0.0.1", "port": 1, "security": "none", "user": "support@example.com"}
    one = {"id": account, "name": "Support", "receiver": server, "sender": server | {"protocol": "smtp"}, "notify": notify}
    return Config.model_validate({"accounts": [one], "alerts": alerts, "admin": {"public_url": "https://mail.example.com"}})


class Hook:
    """Keeps what it was posted; fails as often as it is told."""

    def __init__(self):
        self.posted, self.failing, self.refused = [], 0, set()

    async def post(self, body, key):
        if json.loads(body)["about"] in self.refused:
            raise HookRefused("answered 400")
        if self.failing:
            self.failing -= 1
            raise HookFailed("answered 500")
        self.posted.append((json.loads(body), key))


class Desk:
    """A notifier and what it looks at; `look` lets it look once, some seconds later."""

    def __init__(self, ledger, clock):
        self.ledger, self.clock, self.hook, self.statuses = ledger, clock, Hook(), []
        self.use(configured())

    def use(self, config):
        self.config = config
        self.setting = Setting(config, sources_of(config), self.hook if config.alerts and config.alerts.webhook else None, dict)
        self.ledger.responses.answer_by(policies_of(config))

    def notifier(self):
        return Notifier(self.ledger, lambda: self.setting, lambda: self.statuses, self.clock, lambda a, b: b)

    async def look(self, seconds=0.0, notifier=None):
        self.clock.now += seconds
        notifier = notifier or self.notifier()
        await notifier._tell_people(self.setting)
        await notifier._look_after(self.setting)

    async def mails(self):
        rows = [await self.ledger.responses.get(row["id"]) for row in await self.ledger.responses.rows(limit=100)]
        return [(row.recipient, row.subject, row.text) for row in sorted(rows, key=lambda row: row.id)]

    def is_in(self, state, **more):
        self.statuses = [AccountStatus("support", "imap", state, last_success=self.clock.now, **more)]


@pytest.fixture
async def desk(tmp_path):
    clock = Clock()
    ledger = await Ledger.open(tmp_path / "state", now=clock)
    yield Desk(ledger, clock)
    await ledger.close()


def answer(name, to):
    return message(name, references=(f"{to}@example.com",), in_reply_to=(f"{to}@example.com",))


# --- mail in cases -----------------------------------------------------------------------------------------------------


async def test_a_new_case_is_told_with_its_text_and_where_it_is(desk):
    desk.use(configured({"to": [TEAM]}))
    (case,) = await filed(desk.ledger, "one", hooks={})
    await desk.look()
    ((recipient, subject, text),) = await desk.mails()
    assert (recipient, subject) == (TEAM, f"[Support] New case {case}: About one")
    assert f"https://mail.example.com/cases/{case}" in text
    assert "customer@example.com" in text


async def test_what_follows_soon_is_told_together_when_the_time_is_over(desk):
    desk.use(configured({"to": [TEAM], "together": "10m"}))
    await filed(desk.ledger, "one", hooks={})
    await desk.look()
    await filed(desk.ledger, "two", "three", hooks={})
    await desk.look(599)
    assert len(await desk.mails()) == 1
    await desk.look(2)
    (_, (_, subject, text)) = await desk.mails()
    assert subject == "[Support] 2 messages in 2 cases"
    assert "About two" in text
    assert "About three" in text


async def test_nobody_is_told_twice(desk):
    desk.use(configured({"to": [TEAM, BOSS], "together": "0s"}))
    await filed(desk.ledger, "one", hooks={})
    for _ in range(3):
        await desk.look(1)
    assert sorted(recipient for recipient, _, _ in await desk.mails()) == [BOSS, TEAM]


@pytest.mark.parametrize(("on", "told"), [("new_case", 1), ("every_message", 2)])
async def test_messages_that_join_a_case_are_told_if_wanted(desk, on, told):
    desk.use(configured({"to": [TEAM], "on": on, "together": "0s"}))
    await filed(desk.ledger, "one", hooks={})
    await desk.look()
    await filed(desk.ledger, "two", hooks={}, two=answer("two", "one"))
    await desk.look(1)
    assert len(await desk.mails()) == told


async def test_nobody_is_told_of_what_they_wrote_themselves(desk):
    desk.use(configured({"to": [TEAM, BOSS]}))
    await filed(desk.ledger, "one", hooks={}, one=message("one", from_=(Address("The team", TEAM.upper()),)))
    await desk.look()
    assert [recipient for recipient, _, _ in await desk.mails()] == [BOSS]


@pytest.mark.parametrize(
    "automatic",
    [{"kind": Kind.AUTO_REPLY}, {"kind": Kind.BOUNCE}, {"kind": Kind.LIST}, {"automatic": Automatic(True, True, ())}],
)
async def test_automatic_mail_is_told_to_nobody(desk, automatic):
    desk.use(configured({"to": [TEAM]}))
    await filed(desk.ledger, "one", hooks={}, one=message("one", **automatic))
    await desk.look()
    assert await desk.mails() == []


async def test_somebody_who_is_no_longer_to_be_told_is_not(desk):
    desk.use(configured({"to": [TEAM, BOSS]}))
    await filed(desk.ledger, "one", hooks={})
    desk.use(configured({"to": [BOSS]}))
    await desk.look()
    assert [recipient for recipient, _, _ in await desk.mails()] == [BOSS]
    assert await desk.ledger.notices.people() == []


async def test_a_subject_made_to_break_a_header_becomes_one_line(desk):
    desk.use(configured({"to": [TEAM]}))
    await filed(desk.ledger, "one", hooks={}, one=message("one", subject="Hi\r\nBcc: everybody@example.com\x00\u202e"))
    await desk.look()
    ((_, subject, _),) = await desk.mails()
    assert subject.isprintable()
    assert "\n" not in subject


def test_a_template_with_an_unknown_name_is_a_fault_with_its_file(tmp_path):
    (tmp_path / "notify.txt").write_text("{{ customer }}")
    with pytest.raises(ConfigurationError, match=r"notify\.template.*notify\.txt.*customer"):
        sources_of(configured({"to": [TEAM], "template": str(tmp_path / "notify.txt")}))


async def test_a_template_of_ones_own_says_what_one_likes(desk, tmp_path):
    (tmp_path / "notify.txt").write_text("{% for n in notices %}{{ n.case }} by {{ n.requester }}{% endfor %}")
    desk.use(configured({"to": [TEAM], "template": str(tmp_path / "notify.txt")}))
    (case,) = await filed(desk.ledger, "one", hooks={})
    await desk.look()
    assert (await desk.mails())[0][2] == f"{case} by customer@example.com"


# --- alerts ------------------------------------------------------------------------------------------------------------

BY_MAIL = {"mail_to": [TEAM], "account": "support"}
BY_HOOK = {"webhook": "pager"}


async def test_what_is_wrong_is_told_once_and_its_end_once(desk):
    desk.use(configured(alerts=BY_MAIL))
    desk.is_in(AccountState.AUTH_FAILED, last_error="535 no")
    for _ in range(3):
        await desk.look(10)
    desk.is_in(AccountState.IDLE)
    for _ in range(3):
        await desk.look(10)
    assert [subject for _, subject, _ in await desk.mails()] == [
        "[Listener] auth_failed: support",
        "[Listener] Well again: auth_failed support",
    ]


async def test_wrong_again_is_told_again(desk):
    desk.use(configured(alerts=BY_MAIL))
    for state in (AccountState.PARKED, AccountState.IDLE, AccountState.PARKED):
        desk.is_in(state)
        await desk.look(10)
    assert [subject for _, subject, _ in await desk.mails()].count("[Listener] parked: support") == 2


async def test_a_restart_neither_repeats_nor_ends_an_alert(desk):
    desk.use(configured(alerts=BY_MAIL))
    desk.is_in(AccountState.AUTH_FAILED)
    await desk.look()
    for state in (AccountState.STARTING, AccountState.CONNECTING, AccountState.AUTH_FAILED):
        desk.is_in(state)
        await desk.look(10)
    assert len(await desk.mails()) == 1


async def test_a_restart_does_not_end_what_it_forgot(desk):
    desk.use(configured(alerts=BY_MAIL))
    desk.is_in(AccountState.IDLE, certificate_expiry=desk.clock.now + 86_400, sender_error="refused", sender_proven=True)
    await desk.look()
    for state in (AccountState.STARTING, AccountState.BACKOFF):
        desk.is_in(state)
        await desk.look(10)
    desk.is_in(AccountState.IDLE, certificate_expiry=desk.clock.now + 86_400)
    await desk.look(10)
    ((_, subject, _),) = await desk.mails()
    assert subject == "[Listener] wrong: 2, well again: 0"


async def test_what_begins_at_once_is_told_in_one_mail(desk):
    desk.use(configured(alerts=BY_MAIL))
    desk.statuses = [AccountStatus(f"one-{number}", "imap", AccountState.PARKED) for number in range(600)]
    await desk.look()
    for status in desk.statuses[:200]:
        status.enter(AccountState.IDLE)
    await desk.look(10)
    (first, second) = await desk.mails()
    assert first[1] == "[Listener] wrong: 600, well again: 0"
    assert "one-0: it cannot go on by itself" in first[2]
    assert "… and 100 more" in first[2]
    assert second[1] == "[Listener] wrong: 0, well again: 200"


async def test_one_alert_that_the_webhook_never_takes_delays_no_other(desk):
    desk.use(configured(alerts=BY_HOOK))
    desk.statuses = [AccountStatus(id, "imap", AccountState.PARKED) for id in ("a", "b", "c")]
    desk.hook.refused = {"a", "b"}
    notifier = desk.notifier()
    for _ in range(4):
        await desk.look(3600, notifier)
    assert [body["about"] for body, _ in desk.hook.posted] == ["c"]


async def test_a_clock_set_back_silences_nobody(desk):
    desk.use(configured({"to": [TEAM], "together": "10m"}))
    await filed(desk.ledger, "one", hooks={})
    await desk.look()
    await filed(desk.ledger, "two", hooks={})
    await desk.look(-86_400)
    assert len(await desk.mails()) == 2


async def test_the_webhook_is_posted_until_it_takes_it_under_one_key(desk):
    desk.use(configured(alerts=BY_HOOK))
    desk.hook.failing = 2
    desk.is_in(AccountState.NEEDS_CONSENT)
    for _ in range(6):
        await desk.look(600)
    ((body, key),) = desk.hook.posted
    assert (body["alert"], body["about"], body["state"]) == ("needs_consent", "support", "raised")
    assert key.startswith("needs_consent:support:")
    desk.is_in(AccountState.IDLE)
    await desk.look(10)
    assert [body["state"] for body, _ in desk.hook.posted] == ["raised", "cleared"]
    assert await desk.ledger.alerts.all() == []


async def test_what_is_over_before_the_webhook_heard_of_it_is_not_posted(desk):
    desk.use(configured(alerts=BY_HOOK))
    desk.hook.failing = 1
    desk.is_in(AccountState.PARKED)
    await desk.look()
    desk.is_in(AccountState.IDLE)
    await desk.look(10)
    assert desk.hook.posted == []
    assert await desk.ledger.alerts.all() == []


async def test_a_kind_that_is_asked_for_no_more_is_forgotten_without_a_word_and_told_again_once_it_is(desk):
    desk.use(configured(alerts=BY_MAIL))
    desk.is_in(AccountState.AUTH_FAILED)
    await desk.look()
    desk.use(configured(alerts=BY_MAIL | {"on": ["parked"]}))
    await desk.look(10)
    assert await desk.ledger.alerts.all() == []
    desk.use(configured(alerts=BY_MAIL))
    await desk.look(10)
    assert [subject for _, subject, _ in await desk.mails()] == ["[Listener] auth_failed: support"] * 2


async def test_without_alerts_nothing_is_kept(desk):
    desk.is_in(AccountState.AUTH_FAILED)
    await desk.look()
    assert await desk.ledger.alerts.all() == []


@pytest.mark.parametrize("account", ["nobody", "support"])
def test_alerts_by_mail_need_an_account_that_can_send(account):
    config = configured(alerts={"mail_to": [TEAM], "account": account})
    one = config.accounts[0].model_copy(update={"sender": None})
    with pytest.raises(ConfigurationError, match=r"alerts\.account"):
        sources_of(config.model_copy(update={"accounts": (one,)}))


async def test_it_looks_again_and_again(desk, monkeypatch):
    monkeypatch.setattr("listener.notifier.EVERY", 0.001)
    desk.use(configured(alerts=BY_HOOK))
    desk.is_in(AccountState.PARKED)
    notifier = Notifier(desk.ledger, lambda: desk.setting, lambda: desk.statuses, desk.clock, lambda a, b: b)
    task = asyncio.create_task(notifier.run())
    async with asyncio.timeout(10):
        while not desk.hook.posted:
            await asyncio.sleep(0.005)
        desk.is_in(AccountState.IDLE)
        while len(desk.hook.posted) < 2:
            await asyncio.sleep(0.005)
    task.cancel()
    await asyncio.wait({task})
    assert EVERY == 10.0

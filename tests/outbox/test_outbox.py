"""From a row to a server and back to the row: what is sent, what is tried again, what never is (R-42, R-83)."""

import asyncio
import email
import email.policy

import pytest

from listener.hooks import Filed
from listener.ledger.responding import Outgoing
from listener.message import parse
from listener.message.model import Authentication, Trust
from listener.outbox import plan_of
from listener.responder.policy import Purpose
from listener.tokens import in_message_id, in_subject
from tests.outbox.office import KEYRING, office, person

HOOKS = {"support": ["python:hook"]}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "office"


def read(envelope):
    return email.message_from_bytes(envelope.octets, policy=email.policy.default)


async def reply_by_hook(here, text="Thank you.\nBye."):
    await here.receive("a", hooks=HOOKS)
    (due,) = await here.ledger.due_deliveries(1)
    delivery = await here.ledger.begin_delivery(due.id)
    await here.ledger.settle_delivery(delivery.id, Filed(reply=text))


async def test_an_acknowledgement_arrives_with_all_that_it_must_have(folder):
    async with office(folder) as here:
        (case,) = await here.receive("a")
        (row,) = await here.until("sent")
        (envelope,) = here.server.got
        found = read(envelope)
        assert (envelope.sender, envelope.recipients) == ("", ("a@customer.example",))
        assert found["From"] == "Support <support@example.com>"
        assert found["Subject"] == f"Re: About a {KEYRING.subject(case, 'support')}"
        assert found["In-Reply-To"] == "<a@example.com>"
        assert found["Auto-Submitted"] == "auto-replied"
        assert found["Message-ID"] == f"<{row['message_id']}>"
        assert KEYRING.verify(in_message_id(row["message_id"]), "support") == case
        assert [KEYRING.verify(token, "support") for token in in_subject(str(found["Subject"]))] == [case]
        assert "Hello Alice" in found.get_content()
        assert here.settled == [("automatic", "sent")]


async def test_a_stranger_reads_nothing_that_a_stranger_wrote(folder):
    async with office(folder, reply='[accounts.reply]\nto = "anyone"\nsubject = "We have it"\n') as here:
        await here.receive(
            "pills", pills=person("pills", "x@customer.example", authentication=person("a").authentication.__class__())
        )
        await here.until("sent")
        found = read(here.server.got[0])
        assert found["Subject"].startswith("We have it [#")
        assert not {"pills", "Alice"} & set((found["Subject"] + " " + found.get_content()).split())


async def test_a_hooks_reply_goes_out_from_the_accounts_address_so_that_it_can_come_back(folder):
    async with office(folder, reply="") as here:
        await reply_by_hook(here)
        await here.until("sent")
        (envelope,) = here.server.got
        assert envelope.sender == "support@example.com"
        assert read(envelope).get_content().split() == ["Thank", "you.", "Bye."]
        assert read(envelope)["Auto-Submitted"] == "auto-replied"


async def test_a_notification_goes_out_in_its_own_words(folder):
    async with office(folder) as here:
        mail = Outgoing("k", Purpose.NOTIFICATION, "support", "ops@example.com", subject="A new case", text="Look.")
        await here.ledger.responses.send(mail)
        await here.until("sent")
        found = read(here.server.got[0])
        assert (found["Subject"], found["Auto-Submitted"], found["In-Reply-To"]) == ("A new case", "auto-generated", None)


async def test_a_signed_reply_to_only_where_the_server_delivers_plus_addresses(folder):
    async with office(folder, reply="[accounts.reply]\nplus_address = true\n") as here:
        (case,) = await here.receive("a")
        await here.until("sent")
        assert read(here.server.got[0])["Reply-To"] == KEYRING.address("support@example.com", case, "support")


async def test_our_own_answer_is_seen_as_ours(folder):
    async with office(folder) as here:
        await here.receive("a")
        await here.until("sent")
        back = parse(here.server.got[0].octets, Trust())
        assert back.automatic.suppress_reply
        assert KEYRING.knows(back, "support") or in_message_id(back.message_id)


async def test_several_mails_go_in_one_session(folder):
    async with office(folder, start=False) as here:
        signed_in = here.server.script.on("auth")
        await here.receive("a", "b", "c")
        here.start(here.config())
        await here.until("sent", "sent", "sent")
        assert signed_in.hits == 1


# --- the empty envelope sender ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "sender"),
    [("", "support@example.com"), ('envelope_from = "no-reply@example.com"\n', "no-reply@example.com")],
)
@pytest.mark.parametrize(("step", "answer"), [("mail", "501 5.1.7 no"), ("text", "554 5.7.60 not as this sender")])
async def test_where_the_empty_sender_is_refused_another_is_used(folder, reply, sender, step, answer):
    async with office(folder, reply=f"[accounts.reply]\n{reply}", start=False) as here:
        null = here.server.script.on(step, answer=answer, when=lambda said: step == "text" or "<>" in said, times=1)
        await here.receive("a", "b")
        here.start(here.config(reply=f"[accounts.reply]\n{reply}"))
        await here.until("sent", "sent")
        assert [envelope.sender for envelope in here.server.got] == [sender, sender]
        assert null.hits == 1, "asked once a session"


# --- what goes wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["mail", "rcpt", "data"])
async def test_lost_before_the_final_dot_is_tried_again(folder, step):
    async with office(folder) as here:
        here.server.script.on(step, close="before", times=1)
        await here.receive("a")
        (row,) = await here.until("deferred")
        assert "the connection broke" in row["reason"]
        await here.later(3600)
        (row,) = await here.until("sent")
        assert (row["attempts"], len(here.server.got)) == (2, 1)


@pytest.mark.parametrize(("close", "arrived"), [("instead", 1), ("before", 0)])
async def test_an_acknowledgement_of_which_nobody_knows_is_never_sent_again(folder, close, arrived):
    async with office(folder) as here:
        here.server.script.on("text", close=close, times=1)
        await here.receive("a")
        await here.until("unknown")
        await here.later(200_000)
        await here.idle()
        assert await here.states() == ["unknown"]
        assert len(here.server.got) == arrived


@pytest.mark.parametrize(("close", "arrived"), [("instead", 2), ("before", 1)])
async def test_a_hooks_reply_of_which_nobody_knows_is_sent_again_with_the_same_message_id(folder, close, arrived):
    async with office(folder, reply="") as here:
        here.server.script.on("text", close=close, times=1)
        await reply_by_hook(here)
        await here.until("unknown")
        await here.later(120)
        (row,) = await here.until("sent")
        assert row["repeated"] is True
        assert [read(envelope)["Message-ID"] for envelope in here.server.got] == [f"<{row['message_id']}>"] * arrived


async def test_a_hooks_reply_is_not_sent_again_for_ever(folder):
    async with office(folder, reply="") as here:
        here.server.script.on("text", close="instead")
        await reply_by_hook(here)
        for _ in range(5):
            await here.until("unknown")
            await here.idle()
            await here.later(4000)
            await asyncio.sleep(0.05)
        assert len(here.server.got) == 3


async def test_not_now_is_tried_again_and_at_last_too_late(folder):
    async with office(folder) as here:
        here.server.script.on("rcpt", answer="451 4.7.1 greylisted")
        await here.receive("a")
        (row,) = await here.until("deferred")
        assert row["reason"] == "451 4.7.1 greylisted"
        await here.later(86_401)
        (row,) = await here.until("failed")
        assert "could not be sent within 86400 s" in row["reason"]
        assert here.server.got == []


async def test_never_is_not_tried_again_and_stops_nobody_else(folder):
    async with office(folder, start=False) as here:
        here.server.script.on("rcpt", answer="550 5.1.1 nobody here", when=lambda said: "a@" in said)
        await here.receive("a", "b")
        here.start(here.config())
        row, _ = await here.until("failed", "sent")
        assert row["reason"] == "550 5.1.1 nobody here"
        assert await here.ledger.responses.muted() == []


async def test_a_refused_sign_in_is_the_accounts_trouble_and_tried_three_times_then_hourly(folder):
    async with office(folder, users={"support@example.com": "other"}) as here:
        refused = here.server.script.on("auth")
        await here.receive("a")
        for _ in range(6):
            await here.idle()
            await here.later(700)
            await asyncio.sleep(0.05)
        assert refused.hits == 3
        assert here.troubles[-1][0] == "support"
        assert "sign-in was refused" in here.troubles[-1][1]
        assert await here.states() == ["ready"], "nothing was handed over, so nothing is counted"
        here.server.users = {"support@example.com": "secret"}
        await here.later(3600)
        await here.until("sent")
        assert here.troubles[-1] == ("support", None)


async def test_a_server_that_is_not_there_delays_only_its_own_account(folder):
    async with office(folder, start=False) as here:
        config = here.config(ids=("support",))
        await here.receive("a")
        await here.ledger.responses.send(Outgoing("k", Purpose.ALERT, "gone", "ops@example.com", subject="x", text="x"))
        other = config.accounts[0].sender.model_copy(update={"port": 1})
        gone = config.accounts[0].model_copy(update={"id": "gone", "sender": other})
        here.start(config.model_copy(update={"accounts": (gone, *config.accounts)}))
        await here.until("sent", "ready")
        assert here.troubles[-1][0] in ("gone", "support")


async def test_a_row_of_an_account_that_is_not_configured_waits(folder):
    async with office(folder) as here:
        await here.ledger.responses.send(Outgoing("k", Purpose.ALERT, "nobody", "ops@example.com", subject="x", text="x"))
        await here.idle()
        assert await here.states() == ["ready"]


async def test_a_template_that_became_unusable_fails_the_mail_and_names_the_file(folder):
    folder.mkdir()
    (folder / "hello.txt").write_text("Hello, {{ case.tag }}")
    async with office(folder, reply='[accounts.reply]\ntemplate = "hello.txt"\n') as here:
        (folder / "hello.txt").write_text("Hello, {{ nothing }}")
        await here.receive("a")
        (row,) = await here.until("failed")
        assert "reply.template" in row["reason"]
        assert "hello.txt" in row["reason"]
        assert here.server.got == []


async def test_a_fault_of_our_own_costs_one_account_a_pause_and_leaves_the_mail_unknown(folder):
    class Broken:
        resumes = False

        async def carry(self, parcel):
            raise RuntimeError("ours")

        async def close(self, *, politely=True): ...

    async def broken(account, token_of):
        return Broken()

    async with office(folder, start=False) as here:
        await here.receive("a")
        here.start(here.config(), carrier=broken)
        (row,) = await here.until("unknown")
        assert row["reason"] == "the process ended while it was sent"
        assert not here.running.done()


# --- stopping and starting --------------------------------------------------------------------------------------------


async def test_what_was_being_sent_by_an_earlier_life_is_unknown_and_not_sent(folder):
    async with office(folder, start=False) as here:
        await here.receive("a")
        await here.ledger.responses.begin(1, "x.1@example.com", b"octets")
        here.start(here.config())
        (row,) = await here.until("unknown")
        await here.idle()
        assert here.server.got == []
        assert row["reason"] == "the process ended while it was sent"


async def test_a_drain_lets_the_mail_under_way_finish_and_begins_no_other(folder):
    async with office(folder, start=False) as here:
        held = asyncio.Event()
        rule = here.server.script.on("text", hold=held, times=1)
        await here.receive("a", "b")
        here.start(here.config())
        await rule.struck.wait()
        draining = asyncio.create_task(here.outbox.drain(5.0))
        await asyncio.sleep(0.02)
        held.set()
        assert await draining is True
        assert await here.states() == ["sent", "ready"]


async def test_a_drain_that_takes_too_long_leaves_the_mail_to_the_next_start(folder):
    async with office(folder) as here:
        rule = here.server.script.on("text", hold=asyncio.Event(), times=1)
        await here.receive("a")
        await rule.struck.wait()
        assert await here.outbox.drain(0.05) is False
        assert await here.states() == ["sending"]


async def test_a_new_configuration_is_used_from_the_next_mail_on(folder):
    async with office(folder) as here:
        await here.receive("a")
        await here.until("sent")
        (here.folder / "new.txt").write_text("News, {{ case.tag }}")
        here.outbox.update(plan_of(here.config(reply='[accounts.reply]\ntemplate = "new.txt"\n'), KEYRING))
        await here.receive("b")
        await here.until("sent", "sent")
        assert read(here.server.got[1]).get_content().startswith("News")


async def test_what_was_suppressed_and_the_breaker_are_told_as_they_happen(folder):
    async with office(folder) as here:
        await here.idle()
        await here.receive("a", a=person("a", authentication=Authentication()))
        await here.idle()
        assert here.suppressed == [("sender_unverified", 1)]
        assert here.breaker[-1] is False

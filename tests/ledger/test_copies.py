"""Copies of filed messages: in another folder, sent or delivered once more; and what merely looks like one."""

from dataclasses import replace

import pytest
from ledger.makers import ACCOUNT, INBOX, events, filed, listing, look, message, page, states, take

from listener.ledger import Ended, Parsed, State
from listener.ledger.copies import below_header
from listener.mailbox import Folder, Listing
from listener.message import parse
from listener.message.model import Address, Attachment, Authentication, Verdict

HOOKS = {ACCOUNT: ["python:hook"]}
MAIL = (
    b"Message-ID: <m@example.com>\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\nFrom: a@example.com\r\nSubject: It\r\n"
    b"\r\nhello\r\n"
)
LABEL = Folder("Label")
FIRST_WAY = b"Received: from x by y; Sun, 22 Nov 2026 10:00:01 +0000\r\nDelivered-To: support@example.com\r\n"
OTHER_WAY = b"Received: from z by y; Sun, 22 Nov 2026 10:09:01 +0000\r\nReturn-Path: <a@example.com>\r\n"


async def arrive(ledger, *octets, account=ACCOUNT, folder=INBOX, provider_id=None, together=False):
    """Take these in and file them as they are parsed; the cases."""
    found = []
    for one in octets:
        uid = f"{folder}:{len(await ledger.messages(limit=1000))}"
        listed = Listing(folder, uid, provider_id=provider_id)
        await take(ledger, page(listed, state=uid, folder=folder), {uid: one}, account=account)
        if not together:
            found += await file_parsed(ledger)
    return found + (await file_parsed(ledger) if together else [])


async def file_parsed(ledger):
    due = await ledger.due_entries(100, 10**9)
    return [_case(found) for _, found in await ledger.file([Parsed(one.id, parse(one.octets)) for one in due], HOOKS)]


def _case(found):
    return None if found == Ended(State.IGNORED, "duplicate") else found


@pytest.mark.parametrize("together", [True, False])
async def test_a_copy_that_came_another_way_is_a_duplicate(ledger, together):
    case, none = await arrive(ledger, FIRST_WAY + MAIL, OTHER_WAY + MAIL, together=together)
    assert none is None
    assert (await states(ledger))[1] == ("ignored", "duplicate of 1")
    assert (await ledger.case(case))["messages"] == 1
    told = (await ledger.explain(2))["events"][-1]
    assert (told["kind"], told["reason"], told["duplicate_of"], told["by"]) == ("message.ignored", "duplicate", 1, "content")


async def test_a_copy_is_foreseen_and_nothing_is_changed_by_that(ledger):
    await arrive(ledger, FIRST_WAY + MAIL)
    other = MAIL.replace(b"hello", b"hallo")
    assert await ledger.foresee_copy(ACCOUNT, None, parse(OTHER_WAY + MAIL), below_header(OTHER_WAY + MAIL)) == 1
    assert await ledger.foresee_copy(ACCOUNT, None, parse(other), below_header(other)) is None
    assert await ledger.foresee_copy("another", None, parse(OTHER_WAY + MAIL), below_header(OTHER_WAY + MAIL)) is None
    assert len(await ledger.messages()) == 1


async def test_a_copy_that_could_not_be_read_whole_is_foreseen_by_its_octets(ledger):
    odd = MAIL.replace(b"Subject", b"Content-Type: multipart/mixed\r\nSubject")
    assert parse(odd).defects
    await arrive(ledger, FIRST_WAY + odd)
    assert await ledger.foresee_copy(ACCOUNT, None, parse(OTHER_WAY + odd), below_header(OTHER_WAY + odd)) == 1
    changed = odd + b"more\r\n"
    assert await ledger.foresee_copy(ACCOUNT, None, parse(changed), below_header(changed)) is None


async def test_a_copy_runs_no_hook(ledger, state_dir):
    await arrive(ledger, FIRST_WAY + MAIL, OTHER_WAY + MAIL)
    assert look(state_dir, "SELECT entry FROM deliveries") == [(1,)]


async def test_filing_a_copy_again_changes_nothing(ledger):
    await arrive(ledger, FIRST_WAY + MAIL, OTHER_WAY + MAIL)
    assert await ledger.file([Parsed(2, parse(OTHER_WAY + MAIL))], HOOKS) == [(2, None)]
    assert (await events(ledger, 2)).count("message.ignored") == 1


async def test_the_same_mail_to_two_accounts_is_two_messages(ledger):
    await arrive(ledger, FIRST_WAY + MAIL)
    await arrive(ledger, FIRST_WAY + MAIL, account="sales")
    assert len(await ledger.cases()) == 2


CHANGED = {
    "another text": MAIL.replace(b"hello", b"goodbye"),
    "another date": MAIL.replace(b"10:00:00", b"10:00:01"),
    "another subject": MAIL.replace(b"Subject: It", b"Subject: That"),
    "another sender": MAIL.replace(b"a@example.com", b"b@example.com"),
    "another recipient": b"To: x@example.com\r\n" + MAIL,
    "an attachment": MAIL.replace(
        b"\r\n\r\nhello",
        b'\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\nhello\r\n--b\r\n'
        b"Content-Type: application/pdf\r\nContent-Disposition: attachment\r\n\r\nx\r\n--b--",
    ),
}


@pytest.mark.parametrize("other", CHANGED.values(), ids=CHANGED)
async def test_different_mail_with_a_message_id_used_again_is_its_own_message(ledger, other):
    cases = await arrive(ledger, MAIL, other)
    assert len(set(cases)) == 2
    assert None not in cases


async def test_an_answer_with_a_message_id_used_again_joins_the_case_it_answers(ledger):
    first, second = await arrive(
        ledger, MAIL, MAIL.replace(b"hello", b"more").replace(b"Date:", b"In-Reply-To: <m@example.com>\r\nDate:")
    )
    assert second == first


async def test_where_not_everything_was_read_bodies_are_compared_octet_by_octet(ledger):
    broken = MAIL.replace(b"Date: Sun, 22 Nov 2026 10:00:00 +0000\r\n", b"")
    assert "date: missing" in parse(broken).defects
    hidden = broken.replace(b"hello\r\n", b"hello\r\n\r\n")
    assert parse(hidden).text.strip() == parse(broken).text.strip()
    assert await arrive(ledger, FIRST_WAY + broken, OTHER_WAY + broken) == [(await ledger.cases())[0]["id"], None]
    changed = replace(parse(broken))
    await take(ledger, page(listing("odd"), state="odd"), {"odd": hidden})
    ((_, case),) = await ledger.file([Parsed(3, changed)], HOOKS)
    assert case is not None


async def test_one_message_under_two_labels_is_one_case(ledger):
    await arrive(ledger, b"X-Label: a\r\n" + MAIL, provider_id="gm1")
    (none,) = await arrive(ledger, b"X-Label: b\r\n" + MAIL.replace(b"hello", b"hello "), provider_id="gm1", folder=LABEL)
    assert none is None
    assert (await ledger.explain(2))["events"][-1]["by"] == "provider_id"


async def test_a_provider_id_alone_makes_no_copy(ledger):
    await arrive(ledger, MAIL, provider_id="gm1")
    (case,) = await arrive(ledger, MAIL.replace(b"<m@", b"<n@").replace(b"hello", b"x"), provider_id="gm1", folder=LABEL)
    assert case is not None


async def test_two_labels_in_one_batch_are_one_case(ledger):
    await take(ledger, page(Listing(INBOX, "1", provider_id="gm1"), state="1"), {"1": b"X-Label: a\r\n" + MAIL})
    listed = Listing(LABEL, "1", provider_id="gm1")
    await take(ledger, page(listed, state="1", folder=LABEL), {"1": b"X-Label: b\r\n" + MAIL.replace(b"hello", b"hi")})
    case, none = await file_parsed(ledger)
    assert (none, case is None) == (None, False)


async def test_after_uidvalidity_changed_a_copy_is_still_one_row(ledger):
    """The copy's octets are its own, so the reset finds its row by them."""
    await take(ledger, page(listing("1:1"), listing("1:2"), state="1:3"), {"1:1": FIRST_WAY + MAIL, "1:2": OTHER_WAY + MAIL})
    await file_parsed(ledger)
    octets = {"2:1": FIRST_WAY + MAIL, "2:2": OTHER_WAY + MAIL}
    await take(ledger, page(listing("2:1"), listing("2:2"), state="2:3", reset=True), octets)
    assert await file_parsed(ledger) == []
    assert [state for state, _ in await states(ledger)] == ["filed", "ignored"]


async def test_a_thousand_messages_with_one_message_id_are_compared_with_few(ledger):
    batch = [MAIL.replace(b"hello", f"hello {number}".encode()) for number in range(60)]
    assert None not in await arrive(ledger, *batch, together=True)


async def test_headers_that_servers_write_make_no_difference_to_a_copy(ledger):
    one = message(
        "one", return_path="a@b", delivered_to=("x@y",), attachments=(Attachment("a", "b/c", 1, "ab" * 32, None, "inline"),)
    )
    other = replace(one, return_path=None, delivered_to=(), authentication=Authentication(Verdict.PASS, "mx"))
    cases = await filed(ledger, "one", "two", one=one, two=other)
    assert cases[1] == Ended(State.IGNORED, "duplicate")
    (case,) = await filed(ledger, "three", three=replace(other, to=(Address("", "x@y"),)))
    assert isinstance(case, str)

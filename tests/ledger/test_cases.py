"""The case book in the ledger: who comes into which case, seen through a real ledger; forged, lost and closed ones too."""

import contextlib
import itertools
import sqlite3
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledger.makers import ACCOUNT, HOOKS, begin_next, dump, events, filed, listing, message, opened, page, take

from listener.cases import CaseRules, Closed
from listener.cases.pending import Pending
from listener.errors import Refused
from listener.hooks import Filed
from listener.ledger import Parsed
from listener.ledger.sql import migrations
from listener.message.model import Address, Authentication, Bounce, Kind, Verdict
from listener.tokens import Key, Keyring

OLD, PRESENT, FOREIGN = Key(b"o" * 32), Key(b"p" * 32), Key(b"f" * 32)
RING = Keyring((PRESENT, OLD))
OURS = CaseRules(RING, "support@example.com")
RULES = {ACCOUNT: OURS, "sales": CaseRules(RING, "sales@example.com")}
CUSTOMER = Address("", "customer@example.com")


async def one(ledger, name, rules=RULES, account=ACCOUNT, **fields):
    """File one message of that name; its case."""
    (case,) = await filed(ledger, name, rules=rules, account=account, **{name: message(name, **fields)})
    return case


async def why(ledger, entry):
    """What history says of the decision."""
    return next(e for e in (await ledger.explain(entry))["events"] if e["kind"] == "message.filed")


def sent(state_dir, case, message_id, *, recipient="customer@example.com", state="sent", purpose="automatic"):
    """A mail of ours in the ledger, as the outbox leaves it."""
    with contextlib.closing(sqlite3.connect(state_dir / "ledger.sqlite3")) as connection, connection:
        connection.execute(
            "INSERT INTO responses (key, purpose, account, entry, case_id, recipient, domain, message_id, octets, state,"
            " due_at, created_at) VALUES (?1, ?2, 'support', 1, ?3, ?4, 'example.com', ?1, x'00', 'ready', 0, 0)",
            (message_id, purpose, case, recipient),
        )
        for step, at in (("sending", None), (state, 1.0 if state == "sent" else None)):
            values = (step, at, message_id)
            connection.execute("UPDATE responses SET state = ?, sent_at = ?, due_at = NULL WHERE message_id = ?", values)


# --- the spoof matrix ---------------------------------------------------------------------------------------------------

TOKENS = ("none", "valid", "former key", "foreign key", "other account", "other case", "mutated", "number")
SENDERS = ("requester", "answered", "copied", "stranger")
VERDICTS = tuple(Verdict)
REFERENCES = ("none", "filed", "sent", "other case", "unknown")


def bearing(token, case, other):
    """A subject that bears this."""
    tag = {
        "none": "",
        "valid": RING.subject(case, ACCOUNT),
        "former key": Keyring((OLD,)).subject(case, ACCOUNT),
        "foreign key": Keyring((FOREIGN,)).subject(case, ACCOUNT),
        "other account": RING.subject(case, "sales"),
        "other case": f"[#{other}-{RING.subject(case, ACCOUNT).partition('-')[2]}",
        "mutated": RING.subject(case, ACCOUNT)[:-2] + ("A]" if RING.subject(case, ACCOUNT)[-2] != "A" else "B]"),
        "number": f"[#{case}] #{case}",
    }[token]
    return f"Re: About it {tag}".strip()


def expected(token, sender, verdict, reference):
    """The same rules said another way: joins the case "A", or "B", or none; and unverified or not."""
    claims = sender in ("requester", "answered")
    participant = claims and verdict is not Verdict.FAIL
    if token in ("valid", "former key"):
        return "A", not (participant or verdict is Verdict.PASS)
    if participant and reference in ("filed", "sent"):
        return "A", False
    if sender == "requester" and participant and reference == "other case":
        return "B", False
    return None, False


@pytest.mark.parametrize("verdict", VERDICTS)
@pytest.mark.parametrize("token", TOKENS)
async def test_the_spoof_matrix(ledger, state_dir, token, verdict):
    case = await one(ledger, "question", cc=(Address("", "copied@example.com"),))
    other = await one(ledger, "another", subject="Another matter")
    sent(state_dir, case, "answer@example.com", recipient="answered@example.com")
    where = {"A": case, "B": other}
    refers = {"none": (), "unknown": ("nobody@example.com",), "sent": ("answer@example.com",)}
    refers |= {"filed": ("question@example.com",), "other case": ("another@example.com",)}
    for number, (sender, reference) in enumerate(itertools.product(SENDERS, REFERENCES)):
        addresses = {"requester": CUSTOMER.address, "answered": "answered@example.com", "copied": "copied@example.com"}
        fields = {
            "from_": (Address("", addresses.get(sender, f"stranger{number}@evil.example")),),
            "subject": bearing(token, case, other),
            "references": refers[reference],
            "authentication": Authentication(verdict, "mx"),
        }
        if sender == "copied":
            fields["from_"] = (Address("", f"copied+{number}@example.com"),)
        found = await one(ledger, f"m{number}", **fields)
        wanted, unverified = expected(token, sender, verdict, reference)
        told = await ledger.explain(number + 3)
        assert (found if found in where.values() else None) == where.get(wanted), (sender, reference)
        assert told["unverified"] is unverified, (sender, reference)
        assert (found in where.values()) == (told["events"][-1].get("rule") not in ("new", "forward")) or "rule" not in told


async def test_whoever_was_copied_stays_a_stranger(ledger):
    case = await one(ledger, "question", cc=(Address("", "copied@example.com"),), to=(Address("", "other@example.com"),))
    for name, sender in (("a", "copied@example.com"), ("b", "other@example.com")):
        assert await one(ledger, name, from_=(Address("", sender),), references=("question@example.com",)) != case
        assert (await ledger.case(case))["related"][-1]["why"] == "references"


async def test_a_token_of_one_account_never_opens_a_case_of_another(ledger):
    case = await one(ledger, "question")
    there = await one(ledger, "x", account="sales", subject=f"Re: it {RING.subject(case, ACCOUNT)}")
    assert there != case
    assert (await ledger.case(there))["account"] == "sales"


async def test_a_message_id_that_another_account_sent_means_nothing_here(ledger, state_dir):
    case = await one(ledger, "question")
    sent(state_dir, case, "answer@example.com")
    assert await one(ledger, "x", account="sales", references=("answer@example.com",)) != case


# --- what is kept of it ----------------------------------------------------------------------------------------------------


async def test_an_unverified_comment_is_visible_as_such_everywhere(ledger, state_dir):
    case = await one(ledger, "question")
    await ledger.settle_delivery((await begin_next(ledger)).id, None)
    stranger = {"from_": (Address("", "mallory@evil.example"),), "subject": f"Re: it {RING.subject(case, ACCOUNT)}"}
    assert await one(ledger, "comment", **stranger) == case
    assert (await why(ledger, 2))["unverified"] is True
    assert [row["unverified"] for row in (await ledger.case(case))["entries"]] == [False, True]
    assert (await begin_next(ledger)).unverified
    assert [one["address"] for one in (await ledger.case(case))["participants"]] == ["customer@example.com"]
    assert await one(ledger, "again", from_=stranger["from_"], references=("comment@example.com",)) != case


async def test_a_verified_bearer_of_a_token_takes_part_from_then_on(ledger):
    case = await one(ledger, "question")
    bob = {"from_": (Address("Bob", "bob@example.org"),), "authentication": Authentication(Verdict.PASS, "mx")}
    assert await one(ledger, "first", subject=f"Re: it {RING.subject(case, ACCOUNT)}", **bob) == case
    assert await one(ledger, "second", references=("first@example.com",), from_=bob["from_"]) == case
    roles = {person["address"]: person["role"] for person in (await ledger.case(case))["participants"]}
    assert roles == {"customer@example.com": "requester", "bob@example.org": "sender"}


async def test_whom_we_answered_takes_part_and_is_shown(ledger, state_dir):
    case = await one(ledger, "question")
    sent(state_dir, case, "answer@example.com", recipient="boss@example.com")
    assert await one(ledger, "reply", from_=(Address("", "Boss@example.com"),), references=("answer@example.com",)) == case
    roles = [(one["address"], one["role"]) for one in (await ledger.case(case))["participants"]]
    assert roles == [("Boss@example.com", "sender"), ("customer@example.com", "requester")]


async def test_whom_we_answered_and_who_never_wrote_is_shown_as_recipient(ledger, state_dir):
    case = await one(ledger, "question")
    sent(state_dir, case, "answer@example.com", recipient="boss@example.com")
    roles = {one["address"]: one["role"] for one in (await ledger.case(case))["participants"]}
    assert roles == {"customer@example.com": "requester", "boss@example.com": "recipient"}


@pytest.mark.parametrize(("state", "purpose"), [("failed", "automatic"), ("sent", "notification")])
async def test_whom_we_did_not_answer_takes_no_part(ledger, state_dir, state, purpose):
    case = await one(ledger, "question")
    sent(state_dir, case, "answer@example.com", recipient="boss@example.com", state=state, purpose=purpose)
    assert await one(ledger, "reply", from_=(Address("", "boss@example.com"),), references=("answer@example.com",)) != case


async def test_links_are_shown_from_both_ends(ledger):
    first = await one(ledger, "one", subject="Printer on fire")
    second = await one(ledger, "two", subject="Re: Printer on fire")
    (there,), (back,) = (await ledger.case(second))["related"], (await ledger.case(first))["related"]
    assert (there["case"], there["why"], there["direction"]) == (first, "subject", "earlier")
    assert (back["case"], back["kind"], back["direction"]) == (second, "related", "later")
    assert (await why(ledger, 2))["links"] == [{"case": first, "kind": "related", "why": "subject"}]


async def test_what_is_long_ago_or_of_somebody_else_is_not_related(ledger, clock):
    await one(ledger, "one", subject="Printer on fire")
    await one(ledger, "two", subject="Printer on fire", from_=(Address("", "else@example.com"),))
    assert "links" not in await why(ledger, 2)
    clock.now += 40 * 86_400
    await one(ledger, "three", subject="Printer on fire")
    assert "links" not in await why(ledger, 3)


async def test_bounces_of_our_mail_are_notes_that_disturb_nothing(ledger, state_dir):
    case = await one(ledger, "question")
    sent(state_dir, case, "answer@example.com")
    await ledger.set_case_status(case, "closed")
    daemon = {"from_": (Address("", "mailer-daemon@mx.example"),), "kind": Kind.BOUNCE}
    assert await one(ledger, "bounce", bounce=Bounce((), "answer@example.com"), **daemon) == case
    shown = await ledger.case(case)
    assert (shown["status"], [row["note"] for row in shown["entries"]]) == ("closed", [False, True])
    assert [one["address"] for one in shown["participants"]] == ["customer@example.com"]


# --- closed cases -------------------------------------------------------------------------------------------------------


async def test_a_person_closes_a_case_and_opens_it_again(ledger):
    case = await one(ledger, "question")
    assert [await ledger.set_case_status(case, "closed") for _ in range(2)] == ["closed", "closed"]
    assert (await ledger.case(case))["status"] == "closed"
    assert await ledger.set_case_status(case, "open") == "open"
    assert [kind for kind in await events(ledger, 1) if kind.startswith("case.")] == ["case.closed", "case.reopened"]


async def test_no_such_case_can_be_closed(ledger):
    with pytest.raises(Refused, match="no case"):
        await ledger.set_case_status("NONE", "closed")


async def test_mail_opens_a_closed_case_again(ledger):
    case = await one(ledger, "question")
    await ledger.set_case_status(case, "closed")
    assert await one(ledger, "more", references=("question@example.com",)) == case
    assert (await ledger.case(case))["status"] == "open"


async def test_or_follows_up_once_and_goes_on_there(ledger):
    rules = {ACCOUNT: replace(OURS, closed=Closed.FOLLOW_UP)}
    case = await one(ledger, "question", rules)
    await ledger.settle_delivery((await begin_next(ledger)).id, Filed(close=True))
    following = await one(ledger, "more", rules, references=("question@example.com",))
    assert following != case
    assert await one(ledger, "even more", rules, references=("question@example.com",)) == following
    (link,) = (await ledger.case(following))["related"]
    assert (link["case"], link["kind"], link["status"]) == (case, "follow_up", "closed")


async def test_a_case_is_opened_again_within_its_time_only(ledger, clock):
    rules = {ACCOUNT: replace(OURS, reopen_within=3600.0)}
    case = await one(ledger, "question", rules)
    await ledger.set_case_status(case, "closed")
    clock.now += 3000
    assert await one(ledger, "soon", rules, references=("question@example.com",)) == case
    await ledger.set_case_status(case, "closed")
    clock.now += 4000
    assert await one(ledger, "late", rules, references=("question@example.com",)) != case


# --- a lost ledger --------------------------------------------------------------------------------------------------------


async def test_after_a_lost_ledger_the_token_restores_the_case_under_its_id(ledger, tmp_path):
    case = await one(ledger, "question")
    tag = RING.subject(case, ACCOUNT)
    async with opened(tmp_path / "another") as other:
        assert await one(other, "answer", subject=f"Re: it {tag}", authentication=Authentication(Verdict.PASS, "mx")) == case
        assert (await why(other, 1))["restored"] is True
        assert await one(other, "next", references=("answer@example.com",)) == case


async def test_and_its_first_message_takes_it_over_when_it_is_fetched_again(ledger, tmp_path):
    case = await one(ledger, "question")
    async with opened(tmp_path / "another") as other:
        stranger = {"from_": (Address("", "mallory@evil.example"),), "subject": f"Re: it {RING.subject(case, ACCOUNT)}"}
        assert await one(other, "comment", **stranger) == case
        assert (await other.case(case))["requester"] == ""
        assert await one(other, "question") == case
        shown = await other.case(case)
        assert (shown["requester"], shown["messages"], shown["subject"]) == ("customer@example.com", 2, "About question")
        assert [row["unverified"] for row in shown["entries"]] == [True, False]
        assert await one(other, "more", references=("question@example.com",)) == case


async def test_the_same_mail_in_the_same_order_makes_the_same_ledger(ledger, state_dir, tmp_path, clock):
    async def fill(one_ledger):
        case = await one(one_ledger, "question")
        tag = RING.subject(case, ACCOUNT)
        await one(one_ledger, "stranger", from_=(Address("", "m@evil.example"),), subject=f"Re: {tag}")
        await one(one_ledger, "answer", references=("question@example.com",))

    await fill(ledger)
    async with opened(tmp_path / "another", now=clock) as other:
        await fill(other)
        assert dump(tmp_path / "another") == dump(state_dir)


async def test_filing_a_batch_again_changes_nothing(ledger, state_dir):
    case = await one(ledger, "question")
    await take(ledger, page(listing("a"), listing("b"), state="b"), {"a": b"a", "b": b"b"})
    batch = [
        Parsed(2, message("a", subject=f"Re: {RING.subject(case, ACCOUNT)}", from_=(Address("", "m@evil.example"),))),
        Parsed(3, message("b", references=("question@example.com",))),
    ]
    first = await ledger.file(batch, HOOKS, RULES)
    before = dump(state_dir)
    assert await ledger.file(batch, HOOKS, RULES) == first
    assert dump(state_dir) == before


async def test_a_preview_says_what_filing_then_does(ledger):
    case = await one(ledger, "question")
    pending, foreseen = Pending(), []
    coming = {
        "a": message("a", references=("question@example.com",)),
        "b": message("b", subject=f"Re: {RING.subject(case, ACCOUNT)}", from_=(Address("", "m@evil.example"),)),
        "c": message("c", subject="Printer on fire"),
        "d": message("d", references=("c@example.com",)),
        "e": message("e", subject="Re: Printer on fire"),
    }
    for number, (_, one_message) in enumerate(coming.items()):
        decision = await ledger.foresee(ACCOUNT, one_message, OURS, pending)
        pending.add(decision.case or f"new {number}", decision, one_message)
        foreseen.append(decision)
    await filed(ledger, *coming, rules=RULES, **coming)
    told = [await why(ledger, entry) for entry in range(2, 7)]
    assert [event["rule"] for event in told] == [decision.rule.value for decision in foreseen]
    assert [event.get("unverified", False) for event in told] == [decision.unverified for decision in foreseen]
    assert [len(event.get("links", ())) for event in told] == [len(decision.links) for decision in foreseen]


# --- accounts never mix ----------------------------------------------------------------------------------------------------

steps = st.lists(
    st.tuples(
        st.sampled_from([ACCOUNT, "sales"]),
        st.sampled_from(["customer@example.com", "m@evil.example"]),
        st.integers(0, 9),  # which earlier message it refers to
        st.integers(0, 9),  # whose token it bears
        st.sampled_from(list(Verdict)),
    ),
    min_size=2,
    max_size=10,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps)
async def test_no_sequence_of_messages_brings_one_into_another_accounts_case(ledger, steps):
    before = len(await ledger.messages(limit=1000))
    cases, names = [], []
    for number, (account, sender, refers, token, verdict) in enumerate(steps, start=before):
        fields = {"from_": (Address("", sender),), "authentication": Authentication(verdict, "mx")}
        if names:
            fields["references"] = (f"{names[refers % len(names)]}@example.com",)
            fields["subject"] = f"Re: it {RING.subject(*cases[token % len(cases)])}"
        case = await one(ledger, f"m{number}", account=account, **fields)
        assert (await ledger.case(case))["account"] == account
        cases.append((case, account))
        names.append(f"m{number}")


async def test_version_1_is_brought_up_to_date(state_dir, tmp_path):
    with contextlib.closing(sqlite3.connect(tmp_path / "old.sqlite3")) as connection:
        connection.executescript(migrations()[0])
        connection.executescript(
            "INSERT INTO raw VALUES (1, zeroblob(32), x'00');"
            "INSERT INTO entries (id, account, folder, unique_id, extent, raw, state, epoch, accepted_at)"
            " VALUES (1, 'support', 'INBOX', '1:1', 'whole', 1, 'accepted', 1, 0);"
            "INSERT INTO cases (id, account, subject, requester, opened_by, updated_at)"
            " VALUES ('C', 'support', '', 'a@x', 1, 0);"
            "INSERT INTO messages VALUES (1, 'C', 'm@x', 'message', '', 'a@x', '{}');"
            "INSERT INTO participants VALUES ('C', 'A@x', ''), ('C', 'cc@x', '');"
        )
        connection.executescript(migrations()[1])
        assert connection.execute("SELECT address, role FROM participants").fetchall() == [("A@x", "requester")]

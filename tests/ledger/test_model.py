"""The ledger against a model (R-10): a mailbox, a receiver and a dispatcher that crash, lose answers and see ids given anew.

The model is what people believe: which contents ever were in the folder after the baseline. Whatever happens in whatever order,
at the end each of them has one accepted row and one case, each hook was called with one key for each, and nothing is owed that
is not on the server.
"""

import asyncio
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from ledger.makers import ACCOUNT, HOOKS, INBOX, Clock, dump, listing, message, page

from listener.hooks import Deferred, Filed, Ignored
from listener.ledger import Ledger, Parsed, State
from listener.mailbox import Baseline, Extent, Fetched, SyncState

OUTCOMES = (None, Filed(reference="R"), Ignored("no"), Deferred(5))
ENDED = {"done", "ignored", "dead", "quarantined"}
PAGE = 2
OLD = 3
"""Messages from before the baseline: more than a page of them."""


class Machine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.state_dir = Path(self.folder.name) / "state"
        self.clock = Clock()
        self.validity, self.newest, self.next_uid = 1, 1, 1
        self.mailbox = {}  # uid → (content, received_at, seen)
        self.arrived, self.vanished = set(), set()
        self.keys = {}  # (content, hook) → the keys it was called with
        self.ledger = self.run(Ledger.open(self.state_dir, now=self.clock))
        for number in range(OLD):
            self.deliver(f"before{number}", 50.0)
        self.run(self.ledger.set_baseline(ACCOUNT, INBOX, Baseline(self.state(self.next_uid), 100.0)))

    def run(self, coroutine):
        return self.runner.run(coroutine)

    def teardown(self):
        try:
            self.settle_everything()
            self.check_the_end()
        finally:
            self.run(self.ledger.close())
            self.runner.close()
            self.folder.cleanup()

    # --- the server --------------------------------------------------------------------------------------------------

    def state(self, uid):
        return SyncState(f"{self.validity}:{uid}")

    def deliver(self, content, received_at):
        self.mailbox[self.next_uid] = (content, received_at, False)
        self.next_uid += 1

    @rule(number=st.integers(0, 15))
    def mail_arrives(self, number):
        """Perhaps a copy of what is there already."""
        content = f"mail{number}"
        self.deliver(content, 200.0 + number)
        self.arrived.add(content)

    @rule(data=st.data())
    @precondition(lambda self: self.mailbox)
    def somebody_expunges(self, data):
        del self.mailbox[data.draw(st.sampled_from(sorted(self.mailbox)))]

    @rule(back=st.booleans())
    def ids_are_given_anew(self, back):
        """UIDVALIDITY changes, sometimes to one that was there before; then ids are given a second time.

        Never to the one of the last session: that numbers changed meanwhile can then be noticed by nobody (RFC 9051 §2.3.1.1).
        """
        last = int(self.run(self.ledger.sync_states(ACCOUNT)).get(INBOX, "0:1").partition(":")[0])
        given = self.validity - 1 if back and self.validity > 1 else self.newest + 1
        self.validity = given if given != last else self.newest + 1
        self.newest = max(self.newest, self.validity)
        self.mailbox = dict(enumerate(self.mailbox.values(), start=1))
        self.next_uid = len(self.mailbox) + 1

    # --- the receiver ------------------------------------------------------------------------------------------------

    @rule(data=st.data(), acknowledge=st.booleans(), pages=st.integers(1, 5))
    def a_session(self, data, acknowledge, pages):
        """Some pages, each perhaps cut off, fetched in part or answered to nobody; then perhaps the server is told."""
        for one in self.pages()[:pages]:
            plan = self.run(self.ledger.plan(ACCOUNT, one))
            lost = data.draw(st.sampled_from((0, 0, 0, 1)))
            fetched = [self.fetch(wanted, data) for wanted in plan.fetch[lost:]]
            times = data.draw(st.sampled_from((1, 1, 2)))
            for _ in range(times):
                self.run(self.ledger.accept(ACCOUNT, one, plan, fetched, owe=True))
            if lost and plan.fetch:
                return
        if acknowledge:
            self.tell_the_server()

    def pages(self):
        """As IMAP does: from the stored state on, or everything when the ids are new."""
        stored = self.run(self.ledger.sync_states(ACCOUNT)).get(INBOX, "0:1")
        validity, uid = (int(part) for part in stored.split(":"))
        reset = validity != self.validity or uid > self.next_uid
        uids = [one for one in sorted(self.mailbox) if reset or one >= uid]
        cuts = [uids[start : start + PAGE] for start in range(0, len(uids), PAGE)] or [[]]
        left = len(uids)
        pages = []
        for number, cut in enumerate(cuts):
            left -= len(cut)
            after = self.next_uid if number == len(cuts) - 1 else cut[-1] + 1
            listings = [self.listed(one) for one in cut]
            pages.append(page(*listings, state=self.state(after), reset=reset, remaining=left))
        return pages

    def listed(self, uid):
        content, received_at, seen = self.mailbox[uid]
        return listing(f"{self.validity}:{uid}", size=len(content), received_at=received_at, acknowledged=seen)

    def fetch(self, wanted, data):
        uid = int(wanted.unique_id.split(":")[1])
        if uid not in self.mailbox or data.draw(st.sampled_from((False,) * 9 + (True,))):
            self.vanished.add(self.mailbox[uid][0] if uid in self.mailbox else "")
            return Fetched(wanted, Extent.GONE)
        return Fetched(wanted, Extent.WHOLE, self.mailbox[uid][0].encode())

    def tell_the_server(self):
        owed = self.run(self.ledger.owed(ACCOUNT))
        for receipt in owed:
            validity, uid = (int(part) for part in receipt.unique_id.split(":"))
            if validity == self.validity and uid in self.mailbox:
                content, received_at, _ = self.mailbox[uid]
                assert content in self.contents(), "the server is told only of what is here"
                self.mailbox[uid] = (content, received_at, True)
        self.run(self.ledger.confirm(ACCOUNT, owed))

    # --- the dispatcher ----------------------------------------------------------------------------------------------

    @rule(limit=st.integers(1, 4), outcome=st.sampled_from([State.FILED] * 6 + [State.QUARANTINED, State.DEAD]))
    def entries_are_filed(self, limit, outcome):
        due = self.run(self.ledger.due_entries(limit, 10**6))
        reason = "" if outcome is State.FILED else "parse_crash"
        batch = [Parsed(entry.id, message(entry.octets.decode()), outcome, reason) for entry in due]
        self.run(self.ledger.file(batch, HOOKS))

    @rule(outcome=st.sampled_from(OUTCOMES), answered=st.booleans())
    def a_hook_is_called(self, outcome, answered):
        """Perhaps the process dies before it could say what came of it."""
        for due in self.run(self.ledger.due_deliveries(1)):
            delivery = self.run(self.ledger.begin_delivery(due.id))
            content = delivery.message.subject.removeprefix("About ")
            self.keys.setdefault((content, delivery.hook), set()).add(delivery.idempotency_key)
            if answered:
                self.run(self.ledger.settle_delivery(due.id, outcome))

    @rule(final=st.booleans())
    def a_hook_fails(self, final):
        for due in self.run(self.ledger.due_deliveries(1)):
            retry_at = None if final else self.clock.now + 1
            self.run(self.ledger.fail_delivery(due.id, "boom", retry_at=retry_at))

    @rule(seconds=st.integers(0, 10))
    def time_passes(self, seconds):
        self.clock.now += seconds

    # --- people and accidents ----------------------------------------------------------------------------------------

    @rule()
    def dead_and_quarantined_ones_are_let_through(self):
        for row in self.run(self.ledger.messages(state="dead", limit=1000)):
            self.run(self.ledger.retry(row["id"]))
        for row in self.run(self.ledger.messages(state="quarantined", limit=1000)):
            self.run(self.ledger.release(row["id"]))

    @rule()
    def the_process_starts_again(self):
        before = dump(self.state_dir)
        self.run(self.ledger.close())
        self.ledger = self.run(Ledger.open(self.state_dir, now=self.clock, expect_state=True))
        assert dump(self.state_dir) == before

    # --- what must hold ----------------------------------------------------------------------------------------------

    def contents(self):
        rows = self.run(self.ledger.messages(limit=1000))
        return {raw.decode() for row in rows if (raw := self.ledger.read_raw(row["id"])) is not None}

    @invariant()
    def each_content_is_filed_at_most_once(self):
        rows = self.run(self.ledger.messages(limit=1000))
        alive = Counter(self.ledger.read_raw(row["id"]) for row in rows if row["state"] != "ignored")
        assert all(number == 1 for number in alive.values())
        assert not any((octets or b"").startswith(b"before") for octets in alive)

    @invariant()
    def a_hook_sees_one_key_for_one_message(self):
        assert all(len(keys) == 1 for keys in self.keys.values())

    @invariant()
    def the_counts_are_right(self):
        counted = Counter(row["state"] for row in self.run(self.ledger.messages(limit=1000)))
        kept = Counter()
        for (_, state, _), number in self.run(self.ledger.counts()).items():
            kept[state] += number
        assert kept == counted

    def settle_everything(self):
        """No more accidents: everything comes to its end."""
        for one in self.pages():
            plan = self.run(self.ledger.plan(ACCOUNT, one))
            fetched = [
                Fetched(wanted, Extent.WHOLE, self.mailbox[int(wanted.unique_id.split(":")[1])][0].encode())
                for wanted in plan.fetch
            ]
            self.run(self.ledger.accept(ACCOUNT, one, plan, fetched, owe=True))
        self.tell_the_server()
        self.dead_and_quarantined_ones_are_let_through()
        self.run(self.ledger.close())
        self.ledger = self.run(Ledger.open(self.state_dir, now=self.clock))
        self.clock.now += 1000
        self.entries_are_filed(1000, State.FILED)
        while self.run(self.ledger.due_deliveries(1)):
            self.a_hook_is_called(None, True)

    def check_the_end(self):
        rows = self.run(self.ledger.messages(limit=1000))
        assert {row["state"] for row in rows} <= ENDED
        present = {content for content, received_at, _ in self.mailbox.values() if received_at >= 100.0}
        done = {self.ledger.read_raw(row["id"]).decode() for row in rows if row["state"] == "done"}
        assert present - self.vanished <= done, "nothing that is on the server was lost"
        assert done <= self.arrived
        assert len(self.run(self.ledger.cases(limit=1000))) == len(done)
        assert self.run(self.ledger.owed(ACCOUNT)) == []
        told = {content for content, received_at, seen in self.mailbox.values() if seen}
        assert present & done - self.vanished <= told, "the server was told of everything that is here"


SETTINGS = settings(max_examples=35, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck))


def test_the_ledger_behaves_as_its_model():
    run_state_machine_as_test(Machine, settings=settings(SETTINGS, derandomize=True))


@pytest.mark.long
def test_the_ledger_behaves_as_its_model_whatever_happens():
    run_state_machine_as_test(Machine, settings=settings(SETTINGS, max_examples=500, stateful_step_count=60))

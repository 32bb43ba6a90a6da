"""The receiver's loop over real POP3 sessions and a real ledger: lost answers, endless messages, ids given anew."""

import pytest

from listener.budget import ByteBudget
from listener.errors import AccountFailure, ConnectionLost
from listener.ledger import Ledger
from listener.protocols.pop3.mailbox import Pop3Mailbox, Pop3Settings
from listener.receiver import MAX_FETCH_ATTEMPTS, Receiver
from listener.status import AccountStatus
from tests.protocols.imap.dialogue import password
from tests.protocols.pop3.box import endpoint, mail, server


@pytest.fixture
async def ledger(tmp_path):
    ledger = await Ledger.open(tmp_path / "state")
    yield ledger
    await ledger.close()


class Desk:
    """One account on a server, and sessions of its receiver."""

    def __init__(self, ledger, far, *, delete=True, since=0):
        self.ledger, self.far = ledger, far
        self.settings = Pop3Settings(delete=delete)
        status = AccountStatus("a", "pop3")
        self.receiver = Receiver("a", ledger, self.open, ByteBudget(1 << 24), status, since=since, owe=delete, limit=1_000_000)

    async def open(self):
        await self.far.until(lambda: not self.far.locked)
        return await Pop3Mailbox.open(endpoint(self.far), password(), self.settings)

    async def session(self):
        """One session; what it died of, or None."""
        try:
            await self.receiver.run_session()
        except AccountFailure as error:
            return error
        return None

    async def states(self):
        return [(row["state"], row["reason"] or "") for row in reversed(await self.ledger.messages(account="a", limit=200))]

    def left(self):
        return len(self.far.folder().messages)


@pytest.mark.parametrize("delete", [False, True], ids=["keep", "delete"])
async def test_what_is_stored_is_deleted_or_kept_and_filed_once(ledger, delete):
    async with server(*(mail(n) for n in range(3))) as far:
        desk = Desk(ledger, far, delete=delete)
        for _ in range(3):
            assert await desk.session() is None
        assert desk.left() == (0 if delete else 3)
        assert await ledger.owed("a") == []
    assert await desk.states() == [("accepted", "")] * 3


DELE, QUIT = b"+OK marked\r\n", b"+OK till next time\r\n"


@pytest.mark.parametrize(
    ("command", "cut"), [("DELE", n) for n in range(len(DELE))] + [("QUIT", n) for n in range(len(QUIT) + 1)]
)
async def test_an_answer_cut_anywhere_after_dele_and_quit_loses_and_doubles_nothing(ledger, command, cut):
    async with server(mail(1), mail(2)) as far:
        desk = Desk(ledger, far)
        far.script.on(command, cut=cut, times=1)
        await desk.session()
        answered = command == "QUIT" and cut >= len(QUIT) - 1  # CR alone does not end a line, and nothing else is missing
        assert len(await ledger.owed("a")) in ((0, 2) if answered else (2,))
        assert desk.left() == (0 if command == "QUIT" else 2)
        assert await desk.session() is None
        assert (await ledger.owed("a"), desk.left()) == ([], 0)
        assert await desk.states() == [("accepted", "")] * 2


@pytest.mark.parametrize("close", ["before", "instead"])
async def test_a_connection_lost_at_quit_is_made_good_in_the_next_session(ledger, close):
    async with server(mail(1), mail(2)) as far:
        desk = Desk(ledger, far)
        far.script.on("QUIT", close=close, times=1)
        await desk.session()
        assert desk.left() == (2 if close == "before" else 0)
        assert len(await ledger.owed("a")) == 2
        assert await desk.session() is None
        assert (await ledger.owed("a"), desk.left()) == ([], 0)
        assert await desk.states() == [("accepted", "")] * 2


async def test_without_ids_a_lost_quit_doubles_nothing_either(ledger):
    async with server(mail(1), mail(1), mail(2)) as far:
        far.hidden.add("UIDL")
        desk = Desk(ledger, far)
        far.script.on("QUIT", close="before", times=1)
        for _ in range(2):
            await desk.session()
        assert desk.left() == 0
        assert await desk.states() == [("accepted", ""), ("ignored", "duplicate of 1"), ("accepted", "")]


async def test_a_message_that_never_ends_is_quarantined_and_the_others_come(ledger):
    async with server(*(mail(n) for n in range(3))) as far:
        far.script.on("RETR", when=lambda c: c.number == 2, instead=b"+OK\r\n", endless=b"and on\r\n")
        desk = Desk(ledger, far)
        lost = 0
        while isinstance(await desk.session(), ConnectionLost):
            lost += 1
            assert lost <= 2 * MAX_FETCH_ATTEMPTS
        states = await desk.states()
        assert sorted(state for state, _ in states) == ["accepted", "accepted", "quarantined"]
        assert desk.left() == 1, "what we do not have stays on the server"


async def test_a_refused_message_is_quarantined_at_once(ledger):
    async with server(mail(1), mail(2)) as far:
        far.script.on("RETR", when=lambda c: c.number == 1, reply="-ERR [SYS/PERM] damaged")
        desk = Desk(ledger, far)
        assert await desk.session() is None
        assert [state for state, _ in await desk.states()] == ["quarantined", "accepted"]
        assert desk.left() == 1


@pytest.mark.parametrize("delete", [False, True], ids=["keep", "delete"])
@pytest.mark.parametrize("count", [3, 40])
async def test_ids_given_anew_double_nothing_and_what_was_old_stays_old(ledger, count, delete):
    noon = "Sun, 22 Nov 2020 12:00:00 +0000"
    async with server(*(mail(n, received=noon) for n in range(count))) as far:
        desk = Desk(ledger, far, delete=False, since=None if delete else 0)
        assert await desk.session() is None
        far.folder().renumber(4711)
        far.deliver("INBOX", mail(999))
        assert await desk.session() is None
        states = [state for state, _ in await desk.states()]
        assert states.count("accepted") == (1 if delete else count + 1)


async def test_a_message_between_uidl_and_list_is_filed_once_with_its_own_octets(ledger):
    async with server(mail(1), mail(2)) as far:
        far.uidls[2] = None
        desk = Desk(ledger, far, delete=False)
        assert await desk.session() is None
        far.uidls.clear()
        assert await desk.session() is None
        assert await desk.states() == [("accepted", "")] * 2


async def test_start_now_leaves_what_is_there_also_without_ids(ledger):
    async with server(mail(1), mail(1)) as far:
        far.hidden.add("UIDL")
        desk = Desk(ledger, far, delete=False, since=None)
        assert await desk.session() is None
        far.deliver("INBOX", mail(2))
        assert await desk.session() is None
        states = [state for state, reason in await desk.states()]
        assert states.count("accepted") == 1

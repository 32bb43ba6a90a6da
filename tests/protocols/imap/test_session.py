"""An IMAP session: answers matched by tag, nothing unbounded, and a connection that went wrong is never used again."""

import asyncio
import contextlib
from contextlib import aclosing

import pytest

from listener.errors import ConnectionLost, ServerUnavailable, Throttled, TokenExpired
from listener.protocols.connection import PROGRESS_SECONDS
from listener.protocols.imap import reading
from listener.protocols.imap import session as module
from listener.protocols.imap.encode import Command, Literal
from listener.protocols.imap.grammar import Condition, Data, Status
from listener.protocols.imap.reading import Literals
from listener.protocols.imap.session import DONE_SECONDS, LOGOUT_SECONDS, Session
from listener.protocols.imap.sign_in import connect
from listener.protocols.imap.told import Selected
from tests.eventually import eventually
from tests.protocols.imap.dialogue import AWAIT, CLOSE, Dialogue, dialogue
from tests.virtual_clock import VirtualLoop, run_virtual

GREETING = b"* OK [CAPABILITY IMAP4rev1 IDLE LITERAL+] ready\r\n"
NOOP = Command("NOOP")


async def connected(server: Dialogue) -> Session:
    session = await connect(server.endpoint())
    session.signed_in()
    return session


async def answered(*steps: object, command: Command = NOOP) -> tuple[list[Status], list[Data]]:
    """What `run` makes of this dialogue."""
    async with dialogue(GREETING, AWAIT, *steps) as server:
        session = await connected(server)
        try:
            return await session.run(command, want=frozenset({"SEARCH", "FETCH"}))
        finally:
            session.connection.abort()


# --- tags ------------------------------------------------------------------------------------------------------------


async def test_tags_are_not_to_be_guessed() -> None:
    prefixes = set()
    for _ in range(3):
        async with dialogue(GREETING, AWAIT, b"{tag} OK\r\n") as server:
            session = await connected(server)
            await session.run(NOOP)
            prefixes.add(server.heard[0].split()[0])
            session.connection.abort()
    assert len(prefixes) == 3


@pytest.mark.parametrize(
    "answer", [b"L1 OK done\r\n", b"* 1 EXISTS\r\nA001 OK done\r\n", b"{tag}0 OK done\r\n", b"+ what?\r\n"]
)
async def test_an_answer_to_something_else_ends_the_session(answer: bytes) -> None:
    with pytest.raises(ConnectionLost):
        await answered(answer)


async def test_pipelined_commands_are_matched_in_whatever_order_they_are_answered() -> None:
    async with dialogue(GREETING, AWAIT, AWAIT, b"{2} NO second\r\n{1} OK first\r\n") as server:
        session = await connected(server)
        statuses, _ = await session.run(Command("NOOP"), Command("CHECK"))
        assert [status.text for status in statuses] == ["first", "second"]
        session.connection.abort()


async def test_data_that_was_asked_for_is_handed_on() -> None:
    statuses, data = await answered(b"* SEARCH 1 2\r\n* 3 EXISTS\r\n* SEARCH 3\r\n{tag} OK done\r\n")
    assert [status.condition for status in statuses] == [Condition.OK]
    assert [response.values for response in data] == [["1", "2"], ["3"]]


# --- what concerns the whole session ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (b"* BYE Session invalidated - AccessTokenExpired\r\n", TokenExpired),
        (b"{tag} BAD Request is throttled. Suggested Backoff Time: 89117 milliseconds\r\n", Throttled),
        (b"* BAD Request is throttled. Suggested Backoff Time: 5 milliseconds\r\n{tag} OK\r\n", Throttled),
        (b"{tag} NO [UNAVAILABLE] later\r\n", ServerUnavailable),
        (b"* BYE Autologout\r\n", ConnectionLost),
    ],
)
async def test_what_concerns_the_session_is_raised_at_any_command(answer: bytes, failure: type[Exception]) -> None:
    with pytest.raises(failure):
        await answered(answer)


async def test_a_no_to_the_command_itself_is_an_answer() -> None:
    statuses, _ = await answered(b"{tag} NO [NONEXISTENT] no such folder\r\n")
    assert statuses[0].code == "NONEXISTENT"


async def test_a_warning_is_no_failure() -> None:
    statuses, _ = await answered(b"* NO Mailbox is at 98% of quota\r\n{tag} OK\r\n")
    assert statuses[0].condition is Condition.OK


async def test_a_goodbye_between_two_commands_is_understood_at_the_next() -> None:
    async with dialogue(GREETING + b"* BYE AccessTokenExpired\r\n", CLOSE) as server:
        session = await connected(server)
        await eventually(lambda: session.connection.lost)
        with pytest.raises(TokenExpired):
            await session.run(NOOP)


# --- loss and cancellation -------------------------------------------------------------------------------------------


async def test_a_lost_connection_fails_the_command_under_way() -> None:
    with pytest.raises(ConnectionLost):
        await answered(b"* 1 FETCH (UID", CLOSE)


def test_a_server_that_never_answers_is_given_up_after_so_long_without_progress() -> None:
    async def main(loop: VirtualLoop) -> None:
        begun = loop.time()
        with pytest.raises(ConnectionLost, match="sent nothing"):
            await answered()
        assert loop.time() - begun == pytest.approx(PROGRESS_SECONDS, abs=1)

    run_virtual(main)


def test_a_server_that_only_says_that_it_is_still_there_is_given_up() -> None:
    async def still_there(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GREETING)
        while True:
            await asyncio.sleep(15)
            writer.write(b"* OK Hang in there..\r\n* 1 EXISTS\r\n")

    async def main(loop: VirtualLoop) -> None:
        running: list[asyncio.Task[None]] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            running.append(asyncio.current_task())
            with contextlib.suppress(asyncio.CancelledError):
                await still_there(reader, writer)
            writer.transport.abort()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        session = await connect(Dialogue(server.sockets[0].getsockname()[1]).endpoint())
        begun = loop.time()
        with pytest.raises(ConnectionLost, match="did not answer"):
            await session.run(NOOP)
        assert loop.time() - begun == pytest.approx(module.EXCHANGE_SECONDS, abs=20)
        server.close()
        running[0].cancel()
        await asyncio.gather(*running)

    run_virtual(main)


async def test_a_cancelled_command_poisons_the_session() -> None:
    async with dialogue(GREETING, AWAIT) as server:
        session = await connected(server)
        running = asyncio.create_task(session.run(NOOP))
        await eventually(lambda: server.heard)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        with pytest.raises(ConnectionLost):
            await session.run(NOOP)


async def test_a_stream_left_early_poisons_the_session() -> None:
    async with dialogue(GREETING, AWAIT, b"* 1 EXISTS\r\n* 2 EXISTS\r\n{tag} OK\r\n") as server:
        session = await connected(server)
        async with aclosing(session.stream(NOOP)) as stream:
            async for _ in stream:
                break
        assert session.connection.lost


async def test_a_session_does_one_thing_at_a_time() -> None:
    async with dialogue(GREETING, AWAIT) as server:
        session = await connected(server)
        running = asyncio.create_task(session.run(NOOP))
        await eventually(lambda: server.heard)
        with pytest.raises(RuntimeError):
            await session.run(NOOP)
        session.connection.abort()
        with pytest.raises(ConnectionLost):
            await running


# --- bounds ----------------------------------------------------------------------------------------------------------


async def test_lines_are_shorter_before_the_sign_in() -> None:
    for signed_in in (True, False):
        async with dialogue(GREETING, AWAIT, b"* SEARCH" + b" 1" * 10_000 + b"\r\n{tag} OK\r\n") as server:
            session = await connect(server.endpoint())
            if signed_in:
                session.signed_in()
                await session.run(NOOP)
            else:
                with pytest.raises(ConnectionLost, match="8192"):
                    await session.run(NOOP)
            session.connection.abort()


async def test_a_response_of_many_lines_counts_as_one() -> None:
    with pytest.raises(ConnectionLost, match="more than"):
        await answered(b"* LIST " + (b"x" * 60_000 + b" {0}\r\n") * 20 + b"\r\n{tag} OK\r\n")


async def test_an_announcement_of_a_gigabyte_ends_the_session_before_it_is_read() -> None:
    with pytest.raises(ConnectionLost, match="1073741824 octets for UID 7"):
        await answered(b"* 1 FETCH (UID 7 BODY[] {1073741824}\r\n")


async def test_a_literal_too_large_to_keep_is_skipped() -> None:
    async with dialogue(
        GREETING, AWAIT, b"* 1 FETCH (UID 7 BODY[] {500000}\r\n" + b"x" * 500_000 + b")\r\n{tag} OK\r\n"
    ) as server:
        session = await connected(server)
        found = [r async for r in session.stream(NOOP, literals=Literals(1_000, 1_000_000)) if isinstance(r, Data)]
        assert found[0].values == [["UID", "7", "BODY[]", b""]]
        assert found[0].values[0][3].announced == 500_000
        session.connection.abort()


async def test_a_malformed_response_is_passed_over_and_the_next_one_read() -> None:
    _, data = await answered(b'* 1 FETCH (UID 1 X "open)\r\n* 2 FETCH ((((\r\n* 3 FETCH (UID 3)\r\n{tag} OK\r\n')
    assert [response.number for response in data] == [3]


async def test_a_server_that_speaks_nonsense_only_is_given_up() -> None:
    with pytest.raises(ConnectionLost):
        await answered(b"* 1 FETCH (\r\n" * (reading.MAX_MALFORMED + 1))


async def test_a_server_that_answers_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_RESPONSES", 1000)
    with pytest.raises(ConnectionLost, match="without end"):
        await answered(b"* 1 FETCH (UID 1)\r\n" * 1001)


# --- literals to the server ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("capabilities", "waits"), [("IMAP4rev1", True), ("IMAP4rev1 LITERAL-", False), ("IMAP4rev1 LITERAL+", False)]
)
async def test_a_literal_waits_for_consent_where_it_must(capabilities: str, waits: bool) -> None:
    greeting = f"* OK [CAPABILITY {capabilities}] hi\r\n".encode()
    steps = (b"+ go on\r\n", AWAIT) if waits else (AWAIT,)
    async with dialogue(greeting, AWAIT, *steps) as server:
        session = await connected(server)
        running = asyncio.create_task(session.run(Command("SELECT", (Literal("Büro".encode()),))))
        await eventually(lambda: len(server.heard) == 2)
        assert server.heard[0].endswith(b"{5}\r\n" if waits else b"{5+}\r\n")
        assert server.heard[1] == "Büro\r\n".encode()
        session.connection.abort()
        with pytest.raises(ConnectionLost):
            await running


async def test_a_refused_literal_is_an_answer() -> None:
    async with dialogue(
        b"* OK [CAPABILITY IMAP4rev1] hi\r\n", AWAIT, b"{tag} NO too large\r\n", AWAIT, b"{tag} OK\r\n"
    ) as server:
        session = await connected(server)
        statuses, _ = await session.run(Command("SELECT", (Literal(b"x"),)), NOOP)
        assert [status.condition for status in statuses] == [Condition.NO, Condition.OK]
        session.connection.abort()


# --- what the server tells -------------------------------------------------------------------------------------------


async def test_a_folder_whose_numbering_changes_while_it_is_open_ends_the_session() -> None:
    async with dialogue(GREETING, AWAIT, b"* OK [UIDVALIDITY 8] changed\r\n{tag} OK\r\n") as server:
        session = await connected(server)
        session.selected = Selected("INBOX", validity=7)
        with pytest.raises(ConnectionLost, match="UIDVALIDITY"):
            await session.run(NOOP)


async def test_a_search_sees_what_was_told_before_it_and_not_after() -> None:
    async with dialogue(
        GREETING, AWAIT, b"* 5 EXISTS\r\n* SEARCH\r\n{tag} OK\r\n", AWAIT, b"* SEARCH\r\n* 6 EXISTS\r\n{tag} OK\r\n"
    ) as server:
        session = await connected(server)
        await session.run(NOOP)
        assert not session.hinted
        await session.run(NOOP)
        assert session.hinted
        session.connection.abort()


# --- idling ----------------------------------------------------------------------------------------------------------

IDLING = (GREETING, AWAIT, b"+ idling\r\n")


DONE = (AWAIT, b"{1} OK done\r\n")


@pytest.mark.parametrize("hint", [b"* 5 EXISTS\r\n", b"* 1 RECENT\r\n"])
async def test_a_hint_ends_the_idling(hint: bytes) -> None:
    noise = b"* OK Still here\r\n* 1 FETCH (FLAGS ())\r\n* 2 EXPUNGE\r\n"
    async with dialogue(*IDLING, noise + hint, *DONE) as server:
        session = await connected(server)
        assert await session.idle(60) is True
        assert server.heard[1:] == [b"DONE\r\n"]
        assert session.idle_since is None
        session.connection.abort()


async def test_a_hint_that_comes_before_the_consent_counts() -> None:
    async with dialogue(GREETING, AWAIT, b"* 5 EXISTS\r\n+ idling\r\n", *DONE) as server:
        session = await connected(server)
        assert await session.idle(60) is True
        session.connection.abort()


def test_without_a_hint_idling_ends_in_time() -> None:
    async def main(loop: VirtualLoop) -> None:
        async with dialogue(*IDLING, *DONE) as server:
            session = await connected(server)
            begun = loop.time()
            assert await session.idle(540) is False
            assert loop.time() - begun == pytest.approx(540, abs=1)
            session.connection.abort()

    run_virtual(main)


def test_a_done_that_is_never_answered_is_a_dead_connection() -> None:
    async def main(loop: VirtualLoop) -> None:
        async with dialogue(*IDLING) as server:
            session = await connected(server)
            begun = loop.time()
            with pytest.raises(ConnectionLost, match="DONE"):
                await session.idle(540)
            assert loop.time() - begun == pytest.approx(540 + DONE_SECONDS, abs=1)
            assert session.connection.lost

    run_virtual(main)


async def test_a_server_that_hangs_up_right_after_idle_is_noticed() -> None:
    for steps in ((GREETING, AWAIT, CLOSE), (*IDLING, CLOSE)):
        async with dialogue(*steps) as server:
            session = await connected(server)
            with pytest.raises(ConnectionLost):
                await session.idle(60)


async def test_a_goodbye_while_idling_is_understood() -> None:
    async with dialogue(*IDLING, b"* BYE Session invalidated - AccessTokenExpired\r\n", CLOSE) as server:
        session = await connected(server)
        with pytest.raises(TokenExpired):
            await session.idle(60)


async def test_a_server_that_refuses_to_idle_is_not_asked_again() -> None:
    async with dialogue(GREETING, AWAIT, b"{tag} NO not now\r\n") as server:
        session = await connected(server)
        assert await session.idle(60) is False
        assert not session.offers("IDLE")
        session.connection.abort()


async def test_a_cancelled_idle_can_still_log_out() -> None:
    async with dialogue(*IDLING, *DONE, AWAIT, b"* BYE see you\r\n{tag} OK bye\r\n") as server:
        session = await connected(server)
        idling = asyncio.create_task(session.idle(60))
        await eventually(lambda: session.idle_since)
        idling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await idling
        await session.close()
        assert [line.split()[-1] for line in server.heard] == [b"IDLE", b"DONE", b"LOGOUT"]


# --- leaving ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [b"* BYE x\r\n{tag} OK\r\n", b"* BYE x\r\n", b"{tag} BAD\r\n", b"nonsense\r\n", b""])
async def test_closing_never_raises(answer: bytes) -> None:
    async with dialogue(GREETING, AWAIT, answer, CLOSE) as server:
        session = await connected(server)
        await session.close()
        await session.close()


def test_closing_waits_no_longer_than_a_moment() -> None:
    async def main(loop: VirtualLoop) -> None:
        async with dialogue(GREETING, AWAIT) as server:
            session = await connected(server)
            begun = loop.time()
            await session.close()
            assert loop.time() - begun == pytest.approx(LOGOUT_SECONDS, abs=1)

    run_virtual(main)

"""The protocol trace: switched on for a while, silent else, and never a secret nor the text of a message in it."""

import base64

import pytest
from structlog.testing import capture_logs
from supervised import TOKEN as TOKEN_OF_THE_API
from supervised import configured, supervised

from listener.config import Account, Config
from listener.protocols.opening import open_mailbox
from listener.status import AccountState
from listener.supervisor.tracing import MAX_LINE, MAX_SECONDS, ProtocolTrace
from listener.testing.graph import GraphServer
from listener.testing.imap import ImapServer
from listener.testing.pop3 import Pop3Server

USER, PASSWORD, TOKEN, TEXT = "support@example.com", "correct-horse-41", "token-canary-7", "what the customer wrote"
MAIL = f"Subject: hello\r\n\r\n{TEXT}\r\n".encode()


class Clock:
    """Monotonic seconds, moved by hand."""

    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def lines(logs):
    return [(entry["way"], entry["line"]) for entry in logs if entry["event"] == "trace.line"]


def test_it_is_silent_until_somebody_wants_to_see(clock):
    with capture_logs() as logs:
        ProtocolTrace("support", clock)("C", b"a1 NOOP")
    assert lines(logs) == []


def test_it_shows_both_ways_in_whatever_signs_a_protocol_uses(clock):
    trace = ProtocolTrace("support", clock)
    with capture_logs() as logs:
        trace.show(60)
        for direction, line in (("C", b"a1 NOOP"), ("S", b"a1 OK"), (">", b"STAT"), ("<", "+OK")):
            trace(direction, line)
    assert lines(logs) == [("sent", "a1 NOOP"), ("received", "a1 OK"), ("sent", "STAT"), ("received", "+OK")]


def test_it_falls_silent_by_itself(clock):
    trace = ProtocolTrace("support", clock)
    with capture_logs() as logs:
        trace.show(60)
        clock.now += 61
        trace("C", b"a1 NOOP")
    assert lines(logs) == []
    assert trace.seconds_left == 0


def test_it_is_never_on_for_longer_than_a_day(clock):
    trace = ProtocolTrace("support", clock)
    trace.show(1e12)
    assert trace.seconds_left == MAX_SECONDS


def test_it_can_be_ended_at_once(clock):
    trace = ProtocolTrace("support", clock)
    with capture_logs() as logs:
        trace.show(60)
        trace.show(0)
        trace("C", b"a1 NOOP")
    assert lines(logs) == []
    assert [entry["event"] for entry in logs] == ["trace.begun", "trace.ended"]


def test_a_servers_line_is_cut_short_and_made_printable(clock):
    trace = ProtocolTrace("support", clock)
    with capture_logs() as logs:
        trace.show(60)
        trace("S", b"\x1b]0;owned\x07\r\n{" + b"x" * 100_000)
    ((_, shown),) = lines(logs)
    assert len(shown) == MAX_LINE
    assert shown.isprintable()


async def heard(account, token_of, tmp_path):
    """What a trace shows of a session that signs in, lists, fetches and says goodbye."""
    shown = []
    mailbox = await open_mailbox(account, Config(), token_of, trace=lambda way, line: shown.append(bytes_of(line)))
    pages = [page async for page in mailbox.pages({})]
    fetched = [one for page in pages async for one in mailbox.fetch(page.listings, limit=10**6)]
    await mailbox.close()
    assert any(TEXT.encode() in one.octets for one in fetched)
    return b"\n".join(shown)


def bytes_of(line):
    return line if isinstance(line, bytes) else line.encode()


def receiving(tmp_path, server, protocol, **more):
    (tmp_path / "password").write_text(PASSWORD)
    way = {"protocol": protocol, "host": "127.0.0.1", "port": server.port, "security": "none", "user": USER}
    by = {} if "oauth" in more else {"password_file": tmp_path / "password"}
    return Account.model_validate(
        {"id": "a", "receiver": way | by | more} | ({"provider": "microsoft365"} if protocol == "graph" else {})
    )


def token_of(profile, user, protocol):
    async def token():
        return TOKEN

    return token


def encoded(secret):
    return base64.b64encode(secret.encode()).rstrip(b"=")[:-2]


@pytest.mark.parametrize(("kind", "protocol", "word"), [(ImapServer, "imap", b"SELECT"), (Pop3Server, "pop3", b"UIDL")])
async def test_what_is_said_is_there_and_password_and_mail_are_not(kind, protocol, word, tmp_path):
    async with kind(users={USER: PASSWORD}) as server:
        server.deliver("INBOX", MAIL)
        shown = await heard(receiving(tmp_path, server, protocol), token_of, tmp_path)
    assert word in shown
    for secret in (PASSWORD.encode(), encoded(PASSWORD), encoded(f"\0{USER}\0{PASSWORD}"), TEXT.encode()):
        assert secret not in shown


async def test_with_graph_neither_token_nor_mail_is_there(tmp_path):
    async with GraphServer(users=[USER], tokens=[TOKEN]) as server:
        server.deliver("INBOX", MAIL)
        account = receiving(tmp_path, server, "graph", oauth="entra", user_principal_name=USER)
        shown = await heard(account, token_of, tmp_path)
    assert b"delta" in shown
    assert TOKEN.encode() not in shown
    assert TEXT.encode() not in shown


def test_a_running_account_is_traced_without_a_restart(tmp_path):
    async def scenario(rig):
        await rig.eventually(lambda: rig.status("one").state == AccountState.IDLE)
        answer = await rig.get("/api/v1/accounts/one/trace?seconds=60", method="POST", token=TOKEN_OF_THE_API)
        assert answer == (200, {"id": "one", "seconds": 60})
        with capture_logs() as logs:
            rig.traces["one"]("C", b"a1 NOOP")
        assert lines(logs) == [("sent", "a1 NOOP")]
        assert rig.count("one") == 1

    assert supervised(configured(tmp_path, "one"), scenario) == 0

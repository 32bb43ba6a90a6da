"""The probe mails: nobody else can name one, they end before anything else sees them, and the time they took is told."""

import asyncio
import re

import pytest
from daemon import Daemon, eventually
from test_daemon_process import account as in_toml

from listener import canary
from listener.config import Config
from listener.dispatcher.judging import judged
from listener.dispatcher.plan import AccountPlan
from listener.errors import ConnectionLost
from listener.ledger import DueEntry, State
from listener.message import parse
from listener.message.model import Trust
from listener.protocols.submission import Ended, Result
from listener.status import AccountState, AccountStatus
from listener.supervisor.canary import Canaries
from listener.testing import ImapServer, SmtpReceiver
from listener.tokens import Key, Keyring

KEYS, OTHERS = Keyring((Key(b"k" * 32),)), Keyring((Key(b"o" * 32),))
NOW = 1_700_000_000.0


def test_a_probes_name_says_when_it_was_sent():
    name = canary.message_id(KEYS, "support", "example.com", NOW)
    assert canary.sent_at(KEYS, "support", name, NOW + 60) == pytest.approx(NOW, abs=0.001)


@pytest.mark.parametrize(
    ("keys", "account", "later"), [(OTHERS, "support", 0), (KEYS, "sales", 0), (KEYS, "support", canary.OLDEST + 1)]
)
def test_a_name_of_other_keys_another_account_or_long_ago_is_none(keys, account, later):
    name = canary.message_id(KEYS, "support", "example.com", NOW)
    assert canary.sent_at(keys, account, name, NOW + later) is None


@pytest.mark.parametrize("name", ["", "a@b", "canarycanarycabc.xyz@example.com", "x" * 10_000])
def test_anything_else_is_no_probe(name):
    assert canary.sent_at(KEYS, "support", name, NOW) is None


def test_the_name_of_a_case_is_no_probe():
    name = KEYS.message_id("ABCDEFGHIJKLM", "support", "1", "example.com")
    assert canary.sent_at(KEYS, "support", name, NOW) is None


def plan(keys=KEYS):
    return AccountPlan(probe=lambda name, at: canary.sent_at(keys, "support", name, at))


def arrived(name, accepted_at=NOW + 2):
    octets = f"Message-ID: <{name}>\r\nFrom: support@example.com\r\nSubject: {canary.SUBJECT}\r\n\r\n".encode()
    return DueEntry(1, "support", "INBOX", None, False, 0, octets, "", accepted_at), parse(octets, Trust())


def test_a_probe_ends_before_rules_cases_and_hooks():
    parsed = judged(*arrived(canary.message_id(KEYS, "support", "example.com", NOW)), plan())
    assert (parsed.state, parsed.reason) == (State.IGNORED, "canary")
    assert parsed.detail["staged_at"] - parsed.detail["sent_at"] == pytest.approx(2)


def test_a_forged_probe_is_ordinary_mail():
    parsed = judged(*arrived(canary.message_id(OTHERS, "support", "example.com", NOW)), plan())
    assert parsed.state is State.FILED


# --- whose turn it is ----------------------------------------------------------------------------------------------------


class Metrics:
    def __init__(self):
        self.seen = []

    def observe(self, name, seconds):
        self.seen.append((name, seconds))


class Carrier:
    def __init__(self, post):
        self.post = post

    async def carry(self, parcel):
        self.post.parcels.append(parcel)
        return Result(Ended.TAKEN, "250 ok", "end")

    async def close(self, *, politely=True):
        self.post.closed += 1


class Post:
    """Takes parcels, or cannot be reached."""

    def __init__(self):
        self.parcels, self.closed, self.down = [], 0, False

    async def open(self, account, token_of):
        if self.down:
            raise ConnectionLost("gone")
        return Carrier(self)


class Aviary:
    """Canaries of one account, and a clock that is moved by hand."""

    def __init__(self, state=AccountState.IDLE):
        server = {"host": "127.0.0.1", "port": 1, "security": "none", "user": "support@example.com"}
        one = {"id": "support", "receiver": server, "sender": server | {"protocol": "smtp"}, "address": "support@example.com"}
        config = Config.model_validate({"accounts": [one | {"canary": {"every": "10m", "late_after": "5m"}}]})
        self.now, self.post, self.metrics = NOW, Post(), Metrics()
        self.status = AccountStatus("support", "imap", state)
        how = (lambda: config, lambda: KEYS, lambda: [self.status], None, self.post.open, self.metrics, lambda: self.now)
        self.canaries = Canaries(*how)
        self.account = config.accounts[0]

    async def look(self, seconds=0):
        self.now += seconds
        await self.canaries._attend(self.account, self.status, 600, 300)


async def test_one_is_sent_at_its_interval_to_the_account_itself():
    here = Aviary()
    for seconds in (0, 5, 590, 10):
        await here.look(seconds)
    assert len(here.post.parcels) == 2
    (parcel, _) = here.post.parcels
    assert parcel.recipient == "support@example.com"
    assert b"Auto-Submitted: auto-generated" in parcel.octets
    assert canary.sent_at(KEYS, "support", parcel.message_id, NOW) == pytest.approx(NOW, abs=0.001)
    assert here.post.closed == 2


async def test_one_that_came_back_is_measured_and_nothing_is_due():
    here = Aviary()
    await here.look()
    assert here.status.canary_due == NOW + 300
    here.canaries.seen("support", NOW, NOW + 1.5)
    assert here.status.canary_due is None
    assert here.metrics.seen == [("canary_seconds", 1.5)]


async def test_the_oldest_that_is_missing_stays_due_while_others_follow():
    here = Aviary()
    await here.look()
    await here.look(601)
    assert here.status.canary_due == NOW + 300


async def test_one_that_cannot_be_sent_is_due_all_the_same():
    here = Aviary()
    here.post.down = True
    await here.look()
    assert here.status.canary_due == NOW + 300


async def test_a_paused_account_is_left_alone():
    here = Aviary(AccountState.STOPPED)
    await here.look()
    assert here.post.parcels == []
    assert here.status.canary_due is None


async def test_in_the_daemon_a_probe_goes_out_by_smtp_and_ends_in_the_ledger(tmp_path):
    """What the submission server takes is delivered into the mailbox, as a mail server does."""
    async with ImapServer(users={"u": "secret"}) as mailbox:

        def deliver(envelope):
            mailbox.deliver("INBOX", envelope.octets)

        async with SmtpReceiver(deliver, users={"support@example.com": "secret"}) as post:
            toml = in_toml(mailbox.port).replace('id = "support"\n', 'id = "support"\naddress = "support@example.com"\n')
            toml += f'[accounts.sender]\nhost = "127.0.0.1"\nport = {post.port}\nsecurity = "none"\n'
            toml += 'user = "support@example.com"\npassword_file = "password"\n[accounts.canary]\nevery = "1m"\n'
            async with Daemon(tmp_path / "d", toml) as daemon:
                ended = "SELECT count(*) FROM entries WHERE state = 'ignored' AND reason = 'canary'"
                await eventually(lambda: daemon.count(ended))
                status, text = await daemon.request("GET", "/metrics")
                assert status == 200
                assert re.search(r"^maillistener_canary_seconds_count 1\.0$", str(text), re.M)
                assert daemon.count("SELECT count(*) FROM cases") == 0
        await asyncio.sleep(0)

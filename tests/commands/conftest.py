"""A configuration on disk whose ledger has some mail, and the command line run in this process."""

import asyncio

import pytest

from listener.__main__ import main
from listener.ledger import Ledger, Parsed
from listener.ledger.records import Plan
from listener.mailbox import Extent, Fetched, Folder, Listing, Page
from listener.message import Trust, parse_quickly

CONFIGURATION = """\
[listener]
state_dir = "state"
[admin]
bind = "127.0.0.1:0"
[[accounts]]
id = "support"
[accounts.receiver]
host = "127.0.0.1"
security = "none"
user = "u"
password_file = "password"
"""

FIRST = b"Message-ID: <1@example.com>\r\nFrom: Ann <ann@example.com>\r\nSubject: The lamp\r\n\r\nIt flickers.\r\n"
SECOND = (
    b"Message-ID: <2@example.com>\r\nIn-Reply-To: <1@example.com>\r\n"
    b"From: ann@example.com\r\nSubject: Re: The lamp\r\n\r\nStill.\r\n"
)
HOSTILE = b"Message-ID: <3@example.com>\r\nFrom: x@example.com\r\nSubject: =?utf-8?q?=1B[2Jgone_=E2=80=AEgpj?=\r\n\r\n.\r\n"
MAIL = (
    *((octets, Extent.WHOLE) for octets in (FIRST, SECOND, HOSTILE)),
    (b"Subject: big\r\n\r\n", Extent.HEADER),
    (b"", Extent.REFUSED),
)


async def fill(state):
    """Messages 1 and 2 in a case, 3 hostile in a case of its own, 4 in quarantine, 5 refused by the server."""
    ledger = await Ledger.open(state)
    try:
        for number, (octets, extent) in enumerate(MAIL, 1):
            listing = Listing(Folder("INBOX"), f"1:{number}", len(octets), 1_700_000_000.0)
            page, plan = Page(Folder("INBOX"), (listing,)), Plan(fetch=(listing,))
            await ledger.accept("support", page, plan, [Fetched(listing, extent, octets, "NO")], owe=False)
        due = await ledger.due_entries(10, 1 << 20)
        await ledger.file([Parsed(entry.id, parse_quickly(entry.octets, Trust())) for entry in due], {})
    finally:
        await ledger.close()


@pytest.fixture
def config(tmp_path):
    """The path of a valid configuration; its ledger is empty."""
    (tmp_path / "password").write_text("secret\n")
    (tmp_path / "password").chmod(0o600)
    path = tmp_path / "listener.toml"
    path.write_text(CONFIGURATION)
    return path


@pytest.fixture
def filled(config):
    asyncio.run(fill(config.parent / "state"))
    return config


@pytest.fixture
def listener(capfdbinary, monkeypatch, tmp_path):
    """Run a command line: exit code, standard output and standard error as text."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LISTENER_CONFIG", raising=False)

    def run(*words):
        try:
            code = main([str(word) for word in words])
        except SystemExit as ended:
            code = ended.code
        out, err = capfdbinary.readouterr()
        return code, out.decode("utf-8", "surrogateescape"), err.decode()

    return run

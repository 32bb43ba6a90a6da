"""One real Dovecot for all tests of this folder; each test has users of its own."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import unavailable

from dovecot.server import Dovecot, binary

_users = itertools.count(1)


@pytest.fixture(scope="session")
def dovecot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dovecot]:
    if binary() is None:
        unavailable("Dovecot with IMAP and POP3 is not installed (apt-get install dovecot-imapd dovecot-pop3d)")
    home: Path = tmp_path_factory.mktemp("dovecot")
    for parent in (home, *home.parents):
        if parent.stat().st_uid == home.stat().st_uid and parent != Path("/tmp"):
            parent.chmod(parent.stat().st_mode | 0o055)  # the mail processes run as somebody else
        if parent == Path("/tmp"):
            break
    server = Dovecot(home).start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def user() -> str:
    return f"user{next(_users)}"

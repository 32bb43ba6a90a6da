"""What our client never does, whatever the settings: shown on the transcript of whole sessions."""

import re

import pytest

from tests.scripts.harness import imap, mail, states
from tests.virtual_clock import run_virtual

ALLOWED = re.compile(
    r"CAPABILITY|ID|ENABLE|LOGIN|AUTHENTICATE|NOOP|LOGOUT|SELECT|EXAMINE|STATUS|IDLE|DONE"
    r"|UID (SEARCH|FETCH|STORE|MOVE|COPY|EXPUNGE)"
)
LACKING = {"all": (), "no MOVE": ("MOVE",), "bare": ("MOVE", "UIDPLUS", "IDLE", "ESEARCH", "LITERAL+")}


def transcript(after, hidden=(), **options):
    """The commands of three sessions: mail, a reset, mail again."""

    async def main(loop):
        async with imap(hidden=hidden, **options) as server:
            server.store().create("Done")
            kept = {}
            for round in range(3):
                for n in range(5):
                    server.deliver("INBOX", mail(10 * round + n))
                async with server.opened("INBOX", "Missing", after=after) as mailbox:
                    await mailbox.baseline("INBOX", 1_700_000_000.0)
                    pages = await server.pages_but_missing(mailbox, kept)
                    await server.extents(mailbox, pages)
                    await mailbox.acknowledge(server.receipts(pages))
                    kept = states(pages, kept)
                    await mailbox.wait()
                if round == 1:
                    server.folder().renumber(server.folder().uid_validity + 1)
            assert server.counters.most_open == 1
            return server.transcript

    return run_virtual(main)


@pytest.mark.parametrize(
    "hidden", [(), ("MOVE",), ("MOVE", "UIDPLUS", "IDLE", "ESEARCH", "LITERAL+")], ids=["all", "no MOVE", "bare"]
)
@pytest.mark.parametrize("after", ["seen", "keep", "delete", "move:Done"])
class TestEverySession:
    def test_only_uid_commands_and_peeking_fetches(self, after, hidden):
        """R-15; MailKit #358: message numbers go wrong on real servers, and `BODY[]` marks mail as seen."""
        commands = transcript(after, hidden)
        assert [command.name for command in commands if not ALLOWED.fullmatch(command.name)] == []
        assert [command.line for command in commands if b"BODY[" in command.line.upper() or b"RFC822 " in command.line] == []

    def test_no_search_depends_on_flags_that_others_may_change(self, after, hidden):
        """R-15; chatwoot, Zammad: an UNSEEN or RECENT that somebody else changed loses mail."""
        searches = [command.line for command in transcript(after, hidden) if command.name == "UID SEARCH"]
        assert searches
        assert [line for line in searches if re.search(rb"UNSEEN|SEEN|RECENT|NEW|CHARSET", line)] == []

    def test_every_session_ends_with_logout(self, after, hidden):
        """zammad #4935: connections left open until the server took no more."""
        names = [command.name for command in transcript(after, hidden)]
        assert names.count("LOGOUT") == names.count("LOGIN") == 3

    def test_tags_are_never_used_twice(self, after, hidden):
        """R-62: an answer can only be meant for one command."""
        tags = [command.tag for command in transcript(after, hidden) if command.name != "DONE"]
        assert len(tags) == len(set(tags))


def test_what_is_kept_is_never_told():
    """`after = "keep"` changes nothing on the server."""
    names = {command.name for command in transcript("keep")}
    assert not names & {"UID STORE", "UID MOVE", "UID COPY", "UID EXPUNGE"}


def test_plain_expunge_is_never_sent_for_want_of_uidplus():
    """RFC 4315: EXPUNGE without UIDs would remove what others marked, too."""
    names = [command.name for command in transcript("delete", ("UIDPLUS",))]
    assert "UID STORE" in names
    assert "EXPUNGE" not in names

"""Servers that say no: each refusal is taken for what it is, for the account, the folder or the message it concerns."""

import re

import pytest

from listener.errors import (
    AuthenticationRefused,
    ConnectionLost,
    FolderMissing,
    PermanentFailure,
    ServerUnavailable,
    Throttled,
    TokenExpired,
    TransientFailure,
)
from tests.scripts.harness import imap, listed, listings, mail, new_octets, states
from tests.virtual_clock import run_virtual


@pytest.mark.parametrize("after", ["seen", "delete", "move:Done"])
def test_a_no_to_an_acknowledgement_that_worked_doubles_and_loses_nothing(after):
    """(i) zammad #1662, "Duplicate tickets from one email.": STORE said no although it had happened."""

    async def main(loop):
        async with imap() as server:
            server.store().create("Done")
            server.deliver("INBOX", mail(1))
            for command in ("STORE", "MOVE", "COPY", "EXPUNGE"):
                server.script.on(command, reply="NO Some of the requested messages no longer exist", execute=True, times=1)
            async with server.opened(after=after) as mailbox:
                pages = await listed(mailbox)
                owed = server.receipts(pages)
                confirmed = set(await mailbox.acknowledge(owed))
                owed = [receipt for receipt in owed if receipt not in confirmed]
            async with server.opened(after=after) as mailbox:
                assert set(await mailbox.acknowledge(owed)) == set(owed)
                assert await listings(mailbox, states(pages)) == []
            assert [len(folder.messages) for folder in server.store()] in ([1, 0], [0, 0], [0, 1])
            assert server.acknowledged(mail(1), after)

    run_virtual(main)


@pytest.mark.parametrize("after", ["seen", "delete", "move:Done"])
def test_a_no_to_an_acknowledgement_is_not_taken_for_a_yes(after):
    """(i) the other half: what the server refused stays owed, and is told again."""

    async def main(loop):
        async with imap() as server:
            server.store().create("Done")
            server.deliver("INBOX", mail(1))
            rules = [server.script.on(command, reply="NO [NOPERM] not allowed") for command in ("STORE", "MOVE", "COPY")]
            async with server.opened(after=after) as mailbox:
                owed = server.receipts(await listed(mailbox))
                try:
                    confirmed = list(await mailbox.acknowledge(owed))
                except (TransientFailure, PermanentFailure):
                    confirmed = []
                assert confirmed == []
            for rule in rules:
                rule.remove()
            async with server.opened(after=after) as mailbox:
                assert list(await mailbox.acknowledge(owed)) == owed
            assert server.acknowledged(mail(1), after)

    run_virtual(main)


def test_an_acknowledgement_whose_answer_is_lost_is_confirmed_the_next_time():
    """(i) the connection ends between the server's deed and its word."""

    async def main(loop):
        async with imap() as server:
            server.store().create("Done")
            server.deliver("INBOX", mail(1))
            server.script.on("MOVE", close="instead")
            async with server.opened(after="move:Done") as mailbox:
                owed = server.receipts(await listed(mailbox))
                with pytest.raises(ConnectionLost):
                    await mailbox.acknowledge(owed)
            server.script.clear()
            async with server.opened(after="move:Done") as mailbox:
                assert list(await mailbox.acknowledge(owed)) == owed
            assert len(server.folder("Done").messages) == 1

    run_virtual(main)


@pytest.mark.parametrize("command", ["LOGIN", "SELECT", "FETCH", "STORE", "IDLE", "DONE", "SEARCH", "NOOP"])
def test_a_bye_at_any_command_is_a_lost_connection_and_nobodys_password(command):
    """(j) EmailEngine da97da31: one command poisoned the session, 17 logins a second; home-assistant #90750."""

    async def main(loop):
        async with imap() as server:
            server.deliver("INBOX", mail(1))
            server.script.on(command, instead=b"* BYE see you\r\n", close="after")
            with pytest.raises(TransientFailure):
                await server.session()

    run_virtual(main)


def test_a_bye_instead_of_a_greeting_is_the_server_being_unavailable():
    """(j) zammad #4935, "Email processing stuck": the server said why, and nobody listened."""

    async def main(loop):
        async with imap() as server:
            server.script.on("GREETING", instead=b"* BYE [UNAVAILABLE] maintenance until noon\r\n", close="after")
            with pytest.raises(TransientFailure, match="maintenance until noon"):
                async with server.opened():
                    pass
            assert b"password" not in server.received()

    run_virtual(main)


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("GREETING", {"instead": b"* BYE Too many simultaneous connections\r\n", "close": "after"}),
        ("LOGIN", {"reply": "NO [ALERT] Too many simultaneous connections. (Failure)"}),
        ("LOGIN", {"reply": "NO Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)"}),
        ("LOGIN", {"reply": "NO [LIMIT] slow down"}),
        ("SELECT", {"reply": "NO [INUSE] Too many simultaneous connections"}),
    ],
)
def test_too_many_connections_is_a_wait_and_never_a_wrong_password(command, fault):
    """(k) zammad #4935, "Maximum number of connections from user+IP exceeded"; Gmail's "Too many simultaneous connections"."""

    async def main(loop):
        async with imap() as server:
            server.script.on(command, **fault)
            with pytest.raises(Throttled):
                async with server.opened() as mailbox:
                    await listed(mailbox)

    run_virtual(main)


def test_only_a_tagged_no_to_the_sign_in_is_a_wrong_password():
    """(k) home-assistant #90750, PR #90762: protocol trouble was taken for a bad password."""

    async def main(loop):
        for fault, failure in (
            ({"reply": "NO [AUTHENTICATIONFAILED] Invalid credentials"}, AuthenticationRefused),
            ({"reply": "NO [UNAVAILABLE] Temporary authentication failure"}, ServerUnavailable),
            ({"reply": "BAD User is authenticated but not connected."}, TransientFailure),
            ({"instead": b"* BAD internal error\r\n", "close": "after"}, TransientFailure),
            ({"close": "before"}, ConnectionLost),
        ):
            async with imap() as server:
                server.script.on("LOGIN", **fault)
                with pytest.raises(failure) as raised:
                    async with server.opened():
                        pass
                assert isinstance(raised.value, AuthenticationRefused) == (failure is AuthenticationRefused)

    run_virtual(main)


def test_no_search_names_a_charset():
    """(l) home-assistant #20642: Office 365 answers BADCHARSET to SEARCH CHARSET UTF-8."""

    async def main(loop):
        async with imap() as server:
            server.deliver("INBOX", mail(1))
            async with server.opened() as mailbox:
                await mailbox.baseline("INBOX", 1_700_000_000.0)
                await server.whole_round(mailbox)
            assert not [command for command in server.transcript if b"CHARSET" in command.line.upper()]

    run_virtual(main)


def test_a_refused_search_is_an_error_and_not_a_number_of_messages():
    """(l) home-assistant #20642, freescout #176: the words of BADCHARSET were counted as eight mails."""

    async def main(loop):
        async with imap() as server:
            server.deliver("INBOX", mail(1))
            refusal = b"* SEARCH 1 8 9\r\n"
            server.script.on(
                "SEARCH", before=refusal, reply="NO [BADCHARSET (US-ASCII)] The specified charset is not supported."
            )
            async with server.opened() as mailbox:
                with pytest.raises(TransientFailure):
                    await listed(mailbox)

    run_virtual(main)


@pytest.mark.parametrize("reply", [None, "NO [CANNOT] not selectable", "NO [NONEXISTENT] gone", "NO [NOPERM] not yours"])
def test_a_listed_folder_that_cannot_be_opened_parks_alone(reply):
    """(n) EmailEngine da97da31: a listed but unselectable folder, reconnect loop, out of memory over 267 accounts."""

    async def main(loop):
        async with imap() as server:
            server.store().create("Phantom").selectable = False
            server.store().create("Last")
            server.deliver("INBOX", mail(1))
            server.deliver("Last", mail(2), flags=())
            if reply:
                server.script.on("SELECT", when=lambda command: b"Phantom" in command.line, reply=reply)
                server.script.on("EXAMINE", when=lambda command: b"Phantom" in command.line, reply=reply)
            async with server.opened("INBOX", "Phantom", "Last") as mailbox:
                seen = []
                with pytest.raises(FolderMissing) as missing:
                    await server.read_into(mailbox, seen)
                assert seen == [mail(1), mail(2)]
                assert missing.value.folder == "Phantom"
                server.deliver("INBOX", mail(3))
                assert await mailbox.wait() is True
            assert server.counters.logins == 1

    run_virtual(main)


@pytest.mark.parametrize("condition", ["NO", "BAD"])
@pytest.mark.parametrize("command", ["LOGIN", "SELECT", "FETCH", "SEARCH", "STORE"])
def test_a_throttled_request_waits_as_long_as_the_server_says(command, condition):
    """(o) email-oauth2-proxy #191, imapsync #272: "Request is throttled. Suggested Backoff Time: 89117 milliseconds"."""

    async def main(loop):
        async with imap() as server:
            server.deliver("INBOX", mail(1))
            text = f"{condition} Request is throttled. Suggested Backoff Time: 89117 milliseconds"
            server.script.on(command, reply=text, after=b"* BYE Connection closed. 14\r\n", close="after")
            with pytest.raises(Throttled) as throttled:
                await server.session()
            assert throttled.value.retry_after == pytest.approx(89.117)

    run_virtual(main)


def test_an_expired_token_says_so_in_the_middle_of_a_session():
    """aioimaplib #83: `* BYE Session invalidated - AccessTokenExpired` may answer any command."""

    async def main(loop):
        async with imap() as server, server.opened() as mailbox:
            await listed(mailbox)
            server.script.on("*", instead=b"* BYE Session invalidated - AccessTokenExpired\r\n", close="after")
            with pytest.raises(TokenExpired):
                await mailbox.wait()

    run_virtual(main)


def test_a_bye_that_nobody_asked_for_ends_an_idle_with_its_words():
    """imapsync FAQ (Gmail): `BYE Session expired, please login again`, said while idling."""

    async def main(loop):
        async with imap() as server, server.opened() as mailbox:
            await listed(mailbox)
            sleeping = await server.asleep(mailbox)
            server.say(b"* BYE Session expired, please login again\r\n")
            server.disconnect()
            with pytest.raises(TransientFailure, match="Session expired"):
                await sleeping

    run_virtual(main)


def test_the_words_of_a_server_never_reach_a_terminal_as_they_are():
    """R-61: ALERT and refusals are data: no control characters, not endless."""

    async def main(loop):
        async with imap() as server:
            words = "NO [AUTHENTICATIONFAILED] \x1b[31mred\x1b[0m " + "x" * 5000
            server.script.on("LOGIN", reply=words)
            with pytest.raises(AuthenticationRefused) as refused:
                async with server.opened():
                    pass
            assert not re.search(r"[\x00-\x1f\x7f]", str(refused.value))
            assert len(str(refused.value)) < 1000
            assert "secret" not in str(refused.value)

    run_virtual(main)


def test_a_message_that_is_refused_with_words_does_not_stop_the_new_ones():
    """zammad #2754, "Error while fetching email from inbox will block processing of other mails in inbox"."""

    async def main(loop):
        async with imap() as server:
            for n in range(3):
                server.deliver("INBOX", mail(n))
            server.refuse(2)
            async with server.opened() as mailbox:
                pages = await listed(mailbox)
                extents = await server.extents(mailbox, pages)
                assert extents == ["whole", "refused", "whole"]
            server.deliver("INBOX", mail(3))
            async with server.opened() as mailbox:
                assert await new_octets(mailbox, states(pages)) == [mail(3)]

    run_virtual(main)

"""`check` names what is wrong with a connection, step by step, against real sockets on loopback; and it changes nothing."""

import socket
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

from listener.check import Step, check_account
from listener.config import Account
from listener.testing import ImapServer
from tests.check.steps import PASSWORD, USER, checked, last, names, receiver, serving, under_tls

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from aiosmtpd.smtp import SMTP, AuthResult

# --- a good account -----------------------------------------------------------------------------------------------------


async def test_every_step_of_a_good_account_succeeds_with_its_time(files: Path) -> None:
    async with ImapServer(users={USER: PASSWORD}) as server:
        server.deliver("INBOX", b"Subject: x\r\n\r\ny\r\n")
        steps = await checked(receiver(files, server.port))
    assert names(steps) == ["dns", "tcp", "greeting", "capabilities", "password", "sign-in", "folder", "idle"]
    assert all(step.ok and step.seconds >= 0 for step in steps)
    assert "1 messages, UIDVALIDITY" in steps[6].said
    assert "UIDNEXT 2" in steps[6].said


async def test_it_changes_nothing_and_fetches_nothing(files: Path) -> None:
    async with ImapServer(users={USER: PASSWORD}) as server:
        await checked(receiver(files, server.port))
        said = {command.name for command in server.transcript}
    assert said.isdisjoint({"SELECT", "FETCH", "UID FETCH", "STORE", "UID STORE", "EXPUNGE"})
    assert "EXAMINE" in said
    assert "LOGOUT" in said


async def test_tls_tells_version_and_the_day_the_certificate_ends(files: Path, authority: trustme.CA) -> None:
    async with ImapServer(users={USER: PASSWORD}, tls=serving(authority, "127.0.0.1")) as server:
        steps = await checked(under_tls(files, server.port))
    assert names(steps)[:3] == ["dns", "tcp", "tls"]
    assert steps[2].said.startswith("TLSv1.3, ")
    assert " until 3000-01-01" in steps[2].said
    assert last(steps).name == "idle"


async def test_starttls_is_checked_too(files: Path, authority: trustme.CA) -> None:
    async with ImapServer(users={USER: PASSWORD}, starttls=serving(authority, "127.0.0.1")) as server:
        steps = await checked(under_tls(files, server.port) | {"security": "starttls"})
    assert all(step.ok for step in steps)
    assert steps[2].said.startswith("TLSv1.")


async def test_a_token_signs_in(files: Path) -> None:
    async with ImapServer(tokens={USER: "good-token"}) as server:
        steps = await checked(receiver(files, server.port, password_file=None, oauth="p"))
    assert "token" in names(steps)
    assert all(step.ok for step in steps)


async def test_a_server_that_cannot_idle_is_polled_and_that_is_said(files: Path) -> None:
    async with ImapServer(users={USER: PASSWORD}, capabilities=["IMAP4rev1"]) as server:
        steps = await checked(receiver(files, server.port))
    assert (last(steps).ok, last(steps).hint, last(steps).setting) == (True, "it is asked every 1m", "receiver.poll_interval")


async def test_without_a_trusted_server_name_it_says_that_verdicts_are_unknown(files: Path) -> None:
    async with ImapServer(users={USER: PASSWORD}) as server:
        steps = await checked(receiver(files, server.port), trust={})
    assert (steps[0].name, steps[0].ok, steps[0].setting) == ("settings", True, "trust.authserv_id")
    assert "unknown" in steps[0].said


# --- what is wrong ------------------------------------------------------------------------------------------------------


async def test_a_wrong_password_names_the_setting_and_what_helps(files: Path) -> None:
    (files / "password").write_text("hunter2")
    async with ImapServer(users={USER: PASSWORD}) as server:
        steps = await checked(receiver(files, server.port), provider="gmail")
    step = last(steps)
    assert (step.name, step.ok, step.setting) == ("sign-in", False, "receiver.user")
    assert "refused" in step.said
    assert "app password" in step.hint
    assert not any("hunter2" in str(step) for step in steps)


async def test_an_unknown_host_fails_at_dns(files: Path) -> None:
    (step,) = await checked(receiver(files, 993, host="no..such.example", security="tls"))
    assert (step.name, step.ok, step.setting) == ("dns", False, "receiver.host")
    assert "cannot be resolved" in step.said


async def test_a_closed_port_fails_at_tcp(files: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        steps = await checked(receiver(files, closed.getsockname()[1]))
    assert [(step.name, step.ok) for step in steps] == [("dns", True), ("tcp", False)]
    assert (last(steps).setting, last(steps).said[:15]) == ("receiver.port", "nothing answers")


async def test_an_expired_certificate_says_so(files: Path, authority: trustme.CA) -> None:
    tls = serving(authority, "127.0.0.1", not_after=datetime(2020, 1, 1, tzinfo=UTC))
    async with ImapServer(users={USER: PASSWORD}, tls=tls) as server:
        steps = await checked(under_tls(files, server.port))
        assert PASSWORD.encode() not in server.received()
    assert (last(steps).name, last(steps).ok) == ("tls", False)
    assert "has expired" in last(steps).said


async def test_a_certificate_for_another_host_says_so(files: Path, authority: trustme.CA) -> None:
    async with ImapServer(users={USER: PASSWORD}, tls=serving(authority, "other.example")) as server:
        steps = await checked(under_tls(files, server.port))
    assert (last(steps).name, last(steps).setting) == ("tls", "receiver.host")
    assert "another host name" in last(steps).said


async def test_an_untrusted_authority_names_the_truststore(files: Path, authority: trustme.CA) -> None:
    trustme.CA().cert_pem.write_to_path(files / "ca.pem")
    async with ImapServer(users={USER: PASSWORD}, tls=serving(authority, "127.0.0.1")) as server:
        steps = await checked(under_tls(files, server.port))
    assert (last(steps).name, last(steps).setting) == ("tls", "receiver.truststore_file")


async def test_a_certificate_that_soon_ends_is_a_warning(files: Path, authority: trustme.CA) -> None:
    async with ImapServer(users={USER: PASSWORD}, tls=serving(authority, "127.0.0.1")) as server:
        made = Account.model_validate({"id": "a", "receiver": under_tls(files, server.port)})
        ends = datetime(2999, 12, 25, tzinfo=UTC).timestamp()
        steps = [step async for step in check_account(made, lambda profile, user, protocol: None, now=lambda: ends)]
    tls = next(step for step in steps if step.name == "tls")
    assert tls.ok
    assert "expires on" in tls.hint


async def test_a_missing_folder_lists_those_that_are_there_and_goes_on(files: Path) -> None:
    async with ImapServer(users={USER: PASSWORD}) as server:
        server.store().create("Wünsche & mehr")
        steps = await checked(receiver(files, server.port, folders=["Inbxo", "INBOX"]))
    wrong, right = (step for step in steps if step.name == "folder")
    assert (wrong.ok, wrong.setting, right.ok) == (False, "receiver.folders", True)
    assert "INBOX" in wrong.hint
    assert '"Wünsche & mehr"' in wrong.hint
    assert last(steps).name == "idle"


async def test_a_missing_target_for_handled_mail_is_found(files: Path) -> None:
    async with ImapServer(users={USER: PASSWORD}) as server:
        steps = await checked(receiver(files, server.port, after="move:Done"))
    step = next(step for step in steps if step.name == "move target")
    assert (step.ok, step.setting) == (False, "receiver.after")


@pytest.mark.parametrize(("ahead", "told"), [(60, False), (3600, True)])
async def test_mail_from_the_future_shows_a_wrong_clock(files: Path, ahead: int, told: bool) -> None:
    async with ImapServer(users={USER: PASSWORD}) as server:
        server.deliver("INBOX", b"Subject: x\r\n\r\n.\r\n", internal_date=datetime.now(UTC).timestamp() + ahead)
        steps = await checked(receiver(files, server.port))
    step = next(step for step in steps if step.name == "folder")
    assert step.ok
    assert ("in the future" in step.hint) is told


async def test_an_unreadable_password_is_found_before_anything_is_sent(files: Path) -> None:
    (files / "password").unlink()
    async with ImapServer(users={USER: PASSWORD}) as server:
        steps = await checked(receiver(files, server.port))
        assert not server.commands("LOGIN") + server.commands("AUTHENTICATE")
    assert (last(steps).name, last(steps).ok, last(steps).setting) == ("password", False, "receiver.password_file")


async def test_a_server_that_speaks_in_clear_where_tls_was_asked_fails_at_tls(files: Path) -> None:
    async with ImapServer(users={USER: PASSWORD}) as server:
        steps = await checked(under_tls(files, server.port))
    assert (last(steps).name, last(steps).ok, last(steps).setting) == ("tls", False, "receiver.security")


async def test_hostile_folder_names_are_shown_harmlessly(files: Path) -> None:
    async with ImapServer(users={USER: PASSWORD}) as server:
        server.script.on("LIST", rewrite=lambda octets: octets.replace(b"INBOX", b"a\x1b[2Jb"))
        steps = await checked(receiver(files, server.port, folders=["Missing"]))
    step = next(step for step in steps if step.name == "folder")
    assert step.hint.startswith("there are: a�[2Jb")


# --- the sender ---------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def submission(tls: ssl.SSLContext | None = None, starttls: ssl.SSLContext | None = None, **more) -> AsyncIterator[int]:
    """A submission server that knows one user; gives its port."""
    import asyncio

    def authenticator(server, session, envelope, mechanism, data) -> AuthResult:
        good = data.login == USER.encode() and data.password == PASSWORD.encode()
        return AuthResult(success=good, handled=False)

    def make() -> SMTP:
        options = {"auth_require_tls": tls is None and starttls is not None} | more
        return SMTP(object(), hostname="submission", authenticator=authenticator, tls_context=starttls, **options)

    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def senders_steps(files: Path, sender: dict[str, object]) -> list[Step]:
    async with ImapServer(users={USER: PASSWORD}) as server:
        return [step for step in await checked(receiver(files, server.port), sender) if step.side == "sender"]


async def test_the_sender_signs_in_and_sends_nothing(files: Path, authority: trustme.CA) -> None:
    async with submission(tls=serving(authority, "127.0.0.1")) as port:
        steps = await senders_steps(files, under_tls(files, port))
    assert names(steps) == ["dns", "tcp", "tls", "password", "sign-in"]
    assert all(step.ok for step in steps)
    assert steps[2].said.startswith("TLSv1.")
    assert "nothing was sent" in steps[-1].said


async def test_the_sender_by_starttls(files: Path, authority: trustme.CA) -> None:
    async with submission(starttls=serving(authority, "127.0.0.1")) as port:
        steps = await senders_steps(files, under_tls(files, port) | {"security": "starttls"})
    assert [step.ok for step in steps] == [True] * 5


async def test_a_sender_without_starttls_gets_no_password(files: Path) -> None:
    async with submission(auth_require_tls=False) as port:
        steps = await senders_steps(files, under_tls(files, port) | {"security": "starttls"})
    assert (steps[-1].name, steps[-1].ok, steps[-1].setting) == ("tls", False, "sender.security")


async def test_a_senders_wrong_password_is_found(files: Path) -> None:
    (files / "other").write_text("wrong")
    async with submission(auth_require_tls=False) as port:
        steps = await senders_steps(files, receiver(files, port, password_file=files / "other"))
    assert (steps[-1].name, steps[-1].ok, steps[-1].setting) == ("sign-in", False, "sender.user")
    assert "535" in steps[-1].said


async def test_a_senders_certificate_is_verified(files: Path, authority: trustme.CA) -> None:
    async with submission(tls=serving(authority, "other.example")) as port:
        steps = await senders_steps(files, under_tls(files, port))
    assert (steps[-1].name, steps[-1].setting) == ("tls", "sender.host")


async def test_the_sender_is_checked_although_the_receiver_fails(files: Path) -> None:
    async with submission(auth_require_tls=False) as port:
        steps = await checked(receiver(files, 993, host="no..such.example", security="tls"), receiver(files, port))
    assert not last(steps).ok
    assert last(steps, "sender").ok

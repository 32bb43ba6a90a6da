"""`check` of a POP3 receiver, step by step, and it changes nothing."""

import pytest

from listener.testing import Pop3Server
from tests.check.steps import PASSWORD, USER, checked, last, names, receiver, serving


def pop3(files, server, **more):
    return receiver(files, server.port, protocol="pop3", after="delete", **more)


async def test_every_step_of_a_good_account_succeeds_with_its_time(files):
    async with Pop3Server(users={USER: PASSWORD}) as server:
        for n in range(3):
            server.deliver("INBOX", b"Subject: %d\r\n\r\n.\r\n" % n)
        steps = await checked(pop3(files, server))
        assert names(steps) == ["dns", "tcp", "greeting", "capabilities", "password", "sign-in", "maildrop"]
        assert all(step.ok and step.seconds >= 0 for step in steps)
        assert last(steps).said == f"3 messages, {3 * 17} octets"
        assert not last(steps).hint
        await server.until(lambda: server.commands("QUIT"))
        assert not {"DELE", "RETR", "TOP"} & {command.name for command in server.transcript}
        assert len(server.folder().messages) == 3


async def test_stls_is_checked_too(files, authority):
    context = serving(authority, "127.0.0.1")
    async with Pop3Server(users={USER: PASSWORD}, starttls=context, login_needs_tls=True) as server:
        steps = await checked(pop3(files, server, security="starttls", truststore_file=files / "ca.pem"))
        assert all(step.ok for step in steps)
        assert "TLSv1.3" in next(step for step in steps if step.name == "tls").said


async def test_a_token_signs_in(files):
    async with Pop3Server(tokens={USER: "good-token"}) as server:
        steps = await checked(pop3(files, server, password_file=None, oauth="p"))
        assert all(step.ok for step in steps)


async def test_a_server_without_unique_ids_works_and_that_is_said(files):
    async with Pop3Server(users={USER: PASSWORD}) as server:
        server.hidden.update({"UIDL", "CAPA"})
        server.deliver("INBOX", b"Subject: x\r\n\r\n.\r\n")
        steps = await checked(pop3(files, server))
        assert last(steps).ok
        assert last(steps).hint.startswith("1 without a unique-id")


@pytest.mark.parametrize(
    ("command", "reply", "step", "setting"),
    [
        ("PASS", "-ERR [AUTH] no", "sign-in", "receiver.user"),
        ("PASS", "-ERR [IN-USE] held", "sign-in", ""),
        ("LIST", "-ERR [SYS/TEMP] later", "maildrop", ""),
        ("GREETING", "-ERR busy", "greeting", ""),
    ],
)
async def test_a_refusal_names_its_step_and_what_the_server_said(files, command, reply, step, setting):
    async with Pop3Server(users={USER: PASSWORD}, mechanisms=()) as server:
        server.script.on(command, reply=reply)
        failed = last(await checked(pop3(files, server)))
        assert (failed.ok, failed.name, failed.setting) == (False, step, setting)
        assert "the server says" in failed.said


async def test_a_refused_stls_sends_no_password(files):
    async with Pop3Server(users={USER: PASSWORD}) as server:
        failed = last(await checked(pop3(files, server, security="starttls")))
        assert (failed.name, failed.setting) == ("tls", "receiver.security")
        assert PASSWORD.encode() not in server.received()

"""`poplib`, which knows nothing of Listener, works with the embedded POP3 server, so it answers as POP3 servers do."""

import asyncio
import poplib
import ssl

import pytest
import trustme

from listener.testing import Pop3Server

MAIL = b"From: Ann <ann@example.com>\r\nSubject: hello\r\n\r\nfirst\r\n.\r\n..dots\r\nlast\r\n"


@pytest.fixture
async def server():
    async with Pop3Server() as running:
        for n in range(3):
            running.deliver("INBOX", MAIL + b"%d\r\n" % n)
        yield running


@pytest.fixture
def signed_in(server):
    def client():
        here = poplib.POP3(server.host, server.port, timeout=5)
        try:
            here.user("user")
            here.pass_("password")
        except poplib.error_proto:
            here.close()
            raise
        return here

    return client


async def test_poplib_reads_a_maildrop(server, signed_in):
    def work():
        client = signed_in()
        assert client.getwelcome().startswith(b"+OK")
        assert client.stat() == (3, 3 * (len(MAIL) + 3))
        assert client.list()[1] == [b"%d %d" % (n, len(MAIL) + 3) for n in (1, 2, 3)]
        assert client.list(2).startswith(b"+OK 2 ")
        ids = [line.split()[1] for line in client.uidl()[1]]
        assert len(set(ids)) == 3
        assert client.uidl(2).split()[2] == ids[1]
        assert b"\r\n".join(client.retr(2)[1]) + b"\r\n" == MAIL + b"1\r\n"
        assert client.top(2, 1)[1] == [b"From: Ann <ann@example.com>", b"Subject: hello", b"", b"first"]
        assert client.noop() == b"+OK"
        client.quit()

    await asyncio.to_thread(work)
    assert len(server.folder().messages) == 3


async def test_poplib_deletes_at_quit_and_only_then(server, signed_in):
    def without_quit():
        client = signed_in()
        client.dele(1)
        assert client.stat()[0] == 2
        client.close()

    def taken_back():
        client = signed_in()
        client.dele(1)
        client.rset()
        client.quit()

    def with_quit():
        client = signed_in()
        client.dele(1)
        client.quit()

    for work, left in ((without_quit, 3), (taken_back, 3), (with_quit, 2)):
        await asyncio.to_thread(work)
        await server.until(lambda: not server.counters.open)
        assert len(server.folder().messages) == left


async def test_poplib_sees_one_session_at_a_time(server, signed_in):
    def work():
        first = signed_in()
        with pytest.raises(poplib.error_proto, match="IN-USE"):
            signed_in()
        first.quit()

    await asyncio.to_thread(work)


async def test_poplib_goes_over_to_tls(server):
    authority = trustme.CA()
    server_side, client_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server_side)
    authority.configure_trust(client_side)
    server.starttls, server.login_needs_tls = server_side, True

    def work():
        client = poplib.POP3(server.host, server.port, timeout=5)
        assert "STLS" in client.capa()
        assert "USER" not in client.capa()
        client.stls(client_side)
        assert "STLS" not in client.capa()
        assert client.capa()["SASL"] == ["PLAIN", "XOAUTH2", "OAUTHBEARER"]
        client.user("user")
        client.pass_("password")
        client.quit()

    await asyncio.to_thread(work)
    assert server.counters.logins == 1


async def test_poplib_is_told_what_is_wrong(server):
    def work():
        client = poplib.POP3(server.host, server.port, timeout=5)
        client.user("user")
        with pytest.raises(poplib.error_proto, match="AUTH"):
            client.pass_("wrong")
        client.user("user")
        client.pass_("password")
        with pytest.raises(poplib.error_proto, match="no such message"):
            client.retr(9)
        client.quit()

    await asyncio.to_thread(work)

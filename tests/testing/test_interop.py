"""Clients that know nothing of Listener work with the embedded server, so it answers as IMAP servers do."""

import asyncio
import imaplib
import ssl

import pytest
import trustme
from aioimaplib import aioimaplib

from listener.testing import ImapServer

MAIL = b"From: Ann <ann@example.com>\r\nSubject: hello\r\nMessage-ID: <1@example.com>\r\n\r\nworld\r\n"
PARTS = b"""\
From: =?utf-8?q?J=C3=BCrgen?= <j@example.com>, "A \\"B\\"" <b@example.com>\r
To: <c@example.com>\r
Subject: two parts\r
MIME-Version: 1.0\r
Content-Type: multipart/mixed; boundary="="\r
\r
--=\r
Content-Type: text/plain; charset=utf-8\r
\r
first\r
--=\r
Content-Type: message/rfc822\r
\r
Subject: inner\r
\r
inside\r
--=\r
Content-Type: application/pdf; name="a.pdf"\r
Content-Disposition: attachment; filename="a.pdf"\r
Content-Transfer-Encoding: base64\r
\r
AAAA\r
--=--\r
"""


@pytest.fixture
async def server():
    async with ImapServer() as running:
        running.deliver("INBOX", MAIL)
        yield running


async def test_imaplib_goes_through_a_day_of_work(server):
    def work():
        with imaplib.IMAP4(server.host, server.port) as client:
            client.login("user", "password")
            assert client.select("INBOX") == ("OK", [b"1"])
            assert client.uid("SEARCH", "UID", "1:*") == ("OK", [b"1"])
            kind, data = client.uid("FETCH", "1", "(INTERNALDATE RFC822.SIZE BODY.PEEK[])")
            assert (kind, data[0][1]) == ("OK", MAIL)
            assert client.create("Done")[0] == "OK"
            date = imaplib.Time2Internaldate(1_800_000_000)
            assert client.append("INBOX", "(\\Flagged)", date, b"Subject: x\r\n\r\n")[0] == "OK"
            assert client.noop()[0] == "OK"
            assert client.uid("STORE", "2", "+FLAGS", "(\\Seen)") == ("OK", [b"2 (UID 2 FLAGS (\\Flagged \\Seen))"])
            assert client.uid("MOVE", "1", "Done") == ("OK", [None])
            assert client.response("EXPUNGE") == ("EXPUNGE", [b"1"])
            assert client.status("Done", "(MESSAGES UIDNEXT)") == ("OK", [b'"Done" (MESSAGES 1 UIDNEXT 2)'])
            assert client.search(None, "FLAGGED", "SEEN") == ("OK", [b"1"])
            assert client.list('""', "*") == ("OK", [b'() "/" "Done"', b'() "/" "INBOX"'])
            assert client.store("1", "+FLAGS", "\\Deleted")[0] == "OK"
            assert client.expunge() == ("OK", [b"1"])

    await asyncio.to_thread(work)


async def test_imaplib_reads_parts_structure_and_envelope(server):
    uid = server.deliver("INBOX", PARTS).uid

    def work():
        with imaplib.IMAP4(server.host, server.port) as client:
            client.login("user", "password")
            client.select("INBOX", readonly=True)

            def ask(item):
                return client.uid("FETCH", str(uid), item)[1][0]

            assert ask("BODY.PEEK[1]")[1] == b"first"
            assert ask("BODY.PEEK[2]")[1] == b"Subject: inner\r\n\r\ninside"
            assert ask("BODY.PEEK[2.HEADER]")[1] == b"Subject: inner\r\n\r\n"
            assert ask("BODY.PEEK[2.1]")[1] == b"inside"
            assert ask("BODY.PEEK[3.MIME]")[1].startswith(b'Content-Type: application/pdf; name="a.pdf"')
            assert ask("BODY.PEEK[]<6.5>")[1] == PARTS[6:11]
            assert ask("BODY.PEEK[HEADER.FIELDS (TO SUBJECT)]")[1] == b"To: <c@example.com>\r\nSubject: two parts\r\n\r\n"
            assert b"BODY[9] NIL" in ask("BODY.PEEK[9]")
            assert ask("RFC822.HEADER")[1] == PARTS[: PARTS.index(b"--=")]
            structure = ask("BODYSTRUCTURE")
            assert b'("TEXT" "PLAIN" ("charset" "utf-8") NIL NIL "7BIT" 5 0 NIL NIL NIL NIL)' in structure
            assert (
                b'("APPLICATION" "PDF" ("name" "a.pdf") NIL NIL "BASE64" 4 NIL ("ATTACHMENT" ("FILENAME" "a.pdf"))' in structure
            )
            assert structure.count(b"(") == structure.count(b")")
            envelope = ask("ENVELOPE")
            assert (
                b'"two parts" (("=?utf-8?q?J=C3=BCrgen?=" NIL "j" "example.com")("A \\"B\\"" NIL "b" "example.com"))'
                in envelope
            )

    await asyncio.to_thread(work)


async def test_imaplib_under_starttls():
    authority = trustme.CA()
    serving, asking = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(serving)
    authority.configure_trust(asking)

    def work(port):
        with imaplib.IMAP4("localhost", port) as client:
            client.starttls(asking)
            client.authenticate("PLAIN", lambda _: b"\0user\0password")
            return client.select()

    async with ImapServer(starttls=serving, login_needs_tls=True) as server:
        assert await asyncio.to_thread(work, server.port) == ("OK", [b"0"])


async def test_imaplib_is_refused_a_stale_token():
    def work(port):
        with imaplib.IMAP4("127.0.0.1", port) as client:
            client.authenticate("XOAUTH2", lambda challenge: b"" if challenge else b"user=u@x\1auth=Bearer stale\1\1")

    async with ImapServer(users={}, tokens={"u@x": "fresh"}) as server:
        with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
            await asyncio.to_thread(work, server.port)


async def test_aioimaplib_reads_moves_and_is_woken_from_idle(server):
    server.store().create("Done")
    client = aioimaplib.IMAP4(host=server.host, port=server.port)
    await client.wait_hello_from_server()
    assert (await client.login("user", "password")).result == "OK"
    assert (await client.select("INBOX")).result == "OK"

    idling = await client.idle_start(timeout=5)
    server.deliver("INBOX", MAIL)
    assert await client.wait_server_push() == [b"2 EXISTS"]
    client.idle_done()
    await asyncio.wait_for(idling, 5)

    assert (await client.uid_search("UID 2:*")).lines[0] == b"2"
    fetched = await client.uid("fetch", "2", "(UID BODY.PEEK[])")
    assert bytes(fetched.lines[1]) == MAIL
    assert (await client.uid("move", "1", "Done")).result == "OK"
    assert (await client.status("Done", "(MESSAGES)")).lines[0] == b'"Done" (MESSAGES 1)'
    assert (await client.logout()).result == "OK"

"""The real daemon on Microsoft Graph: token server, embedded Graph over TLS, kill -9 in the middle, a token that is revoked."""

import signal
import ssl

import pytest
import trustme
from daemon import Daemon, eventually

from listener.testing.graph import GraphServer
from listener.testing.oauth import TokenServer

USER = "support@example.com"
COUNT = 60


def mail(n):
    head = f"From: c{n}@example.net\r\nTo: {USER}\r\nSubject: number {n}\r\nMessage-ID: <{n}@example.net>\r\n"
    return f"{head}\r\nText {n}\r\n".encode()


def configured(tmp_path, tokens, server):
    (tmp_path / "entra-secret").write_text("hush\n")
    (tmp_path / "entra-secret").chmod(0o600)
    return f"""
[oauth.entra]
grant = "client_credentials"
issuer = "custom"
token_url = "{tokens.url}"
client_id = "me"
client_secret_file = "entra-secret"
[[accounts]]
id = "a"
provider = "microsoft365"
address = "{USER}"
start = "all"
[accounts.receiver]
protocol = "graph"
host = "127.0.0.1"
port = {server.port}
truststore_file = "ca.pem"
oauth = "entra"
after = "move:Done"
poll_interval = "1s"
"""


@pytest.fixture
def served(tmp_path):
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


async def test_every_message_becomes_one_case_through_a_kill_and_a_revoked_token(tmp_path, served):
    async with TokenServer() as tokens, GraphServer(users=[USER], tls=served) as server:
        server.tokens = tokens.issued
        server.store().create("Done")
        for n in range(COUNT):
            server.deliver("INBOX", mail(n))
        daemon = Daemon(tmp_path, configured(tmp_path, tokens, server))
        await daemon.start(ready=False)
        await eventually(lambda: len(server.asked("move")) >= 10)
        daemon.process.send_signal(signal.SIGKILL)
        await daemon.process.wait()
        async with daemon:
            await eventually(lambda: len(server.store()["Done"].messages) == COUNT)
            tokens.issued.clear()
            for n in range(COUNT, COUNT + 3):
                server.deliver("INBOX", mail(n))
            await eventually(lambda: len(server.store()["Done"].messages) == COUNT + 3)
            await eventually(lambda: daemon.count("SELECT count(*) FROM cases") == COUNT + 3)
            assert daemon.count("SELECT count(*) FROM entries") == COUNT + 3
            await eventually(lambda: not daemon.count("SELECT count(*) FROM entries WHERE owed"))
        assert not server.store()["INBOX"].messages
        assert all('IdType="ImmutableId"' in asked.prefers for asked in server.transcript)
        assert server.counters.most_at_once <= 4

"""From the settings of a Graph account to a signed-in mailbox."""

import ssl

import pytest
import trustme

from listener.config import Account, Config
from listener.errors import PermanentFailure
from listener.protocols.opening import open_mailbox
from listener.testing.graph import GraphServer

USER = "support@example.com"


@pytest.fixture
def served(tmp_path):
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def account(server, tmp_path, **receiver):
    way = {"protocol": "graph", "host": "127.0.0.1", "port": server.port, "truststore_file": tmp_path / "ca.pem"}
    who = {"user": USER, "oauth": "entra"}
    return Account.model_validate({"id": "a", "provider": "microsoft365", "receiver": way | who | receiver})


def token_of(profile, user, protocol):
    async def token():
        return f"{profile}.{user}.{protocol}"

    return token


async def test_the_settings_reach_the_mailbox(served, tmp_path):
    async with GraphServer(users=["shared@example.com"], tokens=[f"entra.{USER}.graph"], tls=served) as server:
        server.store().create("Done")
        server.store().create("Team")
        server.deliver("Team", b"Subject: x\r\n\r\n")
        settings = {"folders": ["INBOX", "Team"], "after": "move:Done", "user_principal_name": "shared@example.com"}
        mailbox = await open_mailbox(account(server, tmp_path, **settings), Config(), token_of)
        pages = [page async for page in mailbox.pages({})]
        assert [(page.folder, len(page.listings)) for page in pages] == [("INBOX", 0), ("Team", 1)]
        (listing,) = pages[1].listings
        await mailbox.acknowledge([listing])
        assert len(server.store()["Done"].messages) == 1
        await mailbox.close()


async def test_a_read_only_session_tells_the_server_nothing(served, tmp_path):
    async with GraphServer(users=[USER], tokens=[f"entra.{USER}.graph"], tls=served) as server:
        server.deliver("INBOX", b"Subject: x\r\n\r\n")
        mailbox = await open_mailbox(account(server, tmp_path), Config(), token_of, read_only=True)
        (page,) = [page async for page in mailbox.pages({})]
        assert await mailbox.acknowledge(page.listings) == ()
        await mailbox.close()
        assert {asked.method for asked in server.transcript} == {"GET"}


async def test_without_a_profile_nothing_is_asked(served, tmp_path):
    async with GraphServer(tls=served) as server:
        with pytest.raises(PermanentFailure, match="nothing to sign in with"):
            await open_mailbox(account(server, tmp_path, oauth=None), Config(), token_of)
        assert server.transcript == []

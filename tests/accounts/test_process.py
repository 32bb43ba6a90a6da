"""The real daemon in a process of its own: an account made over HTTP outlives kill -9, and its secret is nowhere in clear."""

import aiohttp
from accounts_house import CANARY, USER, mail, settings
from daemon import Daemon, eventually

from listener.testing.imap import ImapServer


async def post(daemon, path, body=None):
    connector = aiohttp.UnixConnector(str(daemon.state / "control.sock"))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.post(f"http://listener/api/v1{path}", json=body) as answer,
    ):
        return answer.status, await answer.json()


async def test_an_account_made_over_http_outlives_a_kill_with_its_secret_sealed(tmp_path):
    async with ImapServer(users={USER: CANARY}) as server, Daemon(tmp_path, "") as daemon:
        server.deliver("INBOX", mail(1))
        status, made = await post(daemon, "/accounts", {"settings": settings(server)})
        assert (status, made["paused"]) == (200, True)
        await daemon.kill()
        await daemon.start()
        status, _ = await post(daemon, "/accounts/support/resume")
        assert status == 200

        async def done(count):
            return len([row for row in await daemon.messages() if row["state"] == "done"]) == count

        await eventually(lambda: done(1))
        await daemon.kill()
        server.deliver("INBOX", mail(2))
        await daemon.start()
        await eventually(lambda: done(2))
        code, said = await daemon.command("accounts")
        assert (code, "ledger" in said) == (0, True)
        everything = b"".join(path.read_bytes() for path in daemon.state.iterdir() if path.is_file())
        assert CANARY.encode() not in everything
        assert CANARY not in daemon.log() + said + str(made)

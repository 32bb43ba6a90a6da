"""What a hook refused, in the real daemon: listed, explained, exported, retried with the same key, and done in the end."""

import json
import stat

import pytest
from daemon import Daemon, eventually

from listener.testing import ImapServer

LETTER = b"From: ann@example.com\r\nMessage-ID: <1@example.com>\r\nSubject: Help\r\n\r\nIt is on fire.\r\n"
SCRIPT = """#!/bin/sh
echo "$LISTENER_IDEMPOTENCY_KEY" >> "{folder}/keys"
[ -e "{folder}/mended" ] || {{ echo "no such queue" >&2; exit 1; }}
cat > "{folder}/filed"
echo T-1
"""
ACCOUNT = """
[[accounts]]
id = "support"
start = "all"
hooks = ["command:file"]
[accounts.receiver]
host = "127.0.0.1"
security = "none"
port = {port}
user = "u"
password_file = "password"
[command.file]
argv = ["{folder}/file.sh"]
"""


@pytest.mark.long
async def test_a_refused_message_is_kept_explained_exported_and_filed_by_a_retry(tmp_path):
    script = tmp_path / "file.sh"
    script.write_text(SCRIPT.format(folder=tmp_path))
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    async with ImapServer(users={"u": "secret"}) as server:
        server.deliver("INBOX", LETTER)
        async with Daemon(tmp_path, ACCOUNT.format(port=server.port, folder=tmp_path)) as daemon:
            await eventually(lambda: in_state(daemon, "dead"))
            _, listed = await daemon.command("messages", "--state", "dead", "--json")
            _, explained = await daemon.command("explain", "1", "--json")
            _, exported = await daemon.command("export", "1")
            (tmp_path / "mended").touch()
            code, _ = await daemon.command("retry", "1")
            await eventually(lambda: in_state(daemon, "done"))
            cases = await daemon.get("/cases")
    assert (json.loads(listed)["id"], json.loads(listed)["reason"]) == (1, "hook_failed")
    [delivery] = json.loads(explained)["deliveries"]
    assert (delivery["hook"], delivery["state"], delivery["reason"]) == ("command:file", "dead", "exit 1: no such queue")
    assert exported.encode().splitlines() == LETTER.splitlines()
    assert code == 0
    assert (tmp_path / "filed").read_bytes() == LETTER
    assert [case["reference"] for case in cases] == ["T-1"]
    keys = (tmp_path / "keys").read_text().split()
    assert keys == [delivery["idempotency_key"]] * 2


async def in_state(daemon, state):
    return [row["state"] for row in await daemon.messages()] == [state]

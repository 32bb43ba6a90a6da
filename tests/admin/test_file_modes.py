"""Nobody but us can read what we keep (R-87), whatever the umask is."""

import os
import stat

import pytest

from .conftest import file, octets, put, running


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
async def test_all_that_we_keep_is_for_our_eyes_only(tmp_path, umask):
    before = os.umask(umask)
    try:
        async with running(tmp_path / "s", "support") as admin:
            await put(admin.ledger, "support", octets(1))
            await file(admin.ledger)
            found = {path.name: stat.S_IMODE(path.stat().st_mode) for path in admin.folder.iterdir()}
            assert stat.S_IMODE(admin.folder.stat().st_mode) == 0o700
    finally:
        os.umask(before)
    assert {"ledger.sqlite3", "ledger.sqlite3-wal", "ledger.sqlite3-shm", "lock", "control.sock"} <= set(found)
    assert {name: oct(mode) for name, mode in found.items() if mode != 0o600} == {}

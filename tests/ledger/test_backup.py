"""A backup is one moment of the ledger, whole and checked, and never written onto anything that matters."""

import asyncio
import contextlib
import shutil
import sqlite3
import stat
from pathlib import Path

import pytest
from ledger.makers import file_due, filed, listing, opened, page, states, take, take_one

from listener.errors import LedgerError, Refused


async def test_a_backup_is_a_ledger_that_can_be_started(ledger, tmp_path):
    (case,) = await filed(ledger, "one")
    await ledger.backup(tmp_path / "copy")
    await take_one(ledger, 2, b"after")
    restored = tmp_path / "restored"
    restored.mkdir(mode=0o700)
    shutil.copy(tmp_path / "copy", restored / "ledger.sqlite3")
    async with opened(restored, expect_state=True) as second:
        assert second.read_raw(1) == b"one"
        assert [row["id"] for row in await second.cases()] == [case]
        assert await states(second) == [("filed", None)]


async def test_a_backup_is_one_file_for_us_alone(ledger, tmp_path):
    (tmp_path / "backups").mkdir()
    await ledger.backup(tmp_path / "backups" / "copy")
    (only,) = (tmp_path / "backups").iterdir()
    assert stat.S_IMODE(only.stat().st_mode) == 0o600


async def test_an_older_backup_is_replaced(ledger, tmp_path):
    await ledger.backup(tmp_path / "copy")
    await filed(ledger, "one")
    await ledger.backup(tmp_path / "copy")
    with contextlib.closing(sqlite3.connect(tmp_path / "copy")) as copy:
        assert copy.execute("SELECT count(*) FROM entries").fetchone() == (1,)


async def test_work_goes_on_during_a_backup(ledger, tmp_path):
    await take_one(ledger, 1, bytes(3_000_000))
    backup = asyncio.create_task(ledger.backup(tmp_path / "copy"))
    for uid in range(2, 20):
        await take_one(ledger, uid, f"{uid}".encode())
    await backup
    assert len(await states(ledger)) == 19


@pytest.mark.parametrize("name", ["ledger.sqlite3", "ledger.sqlite3-wal", "lock", "new"])
async def test_the_state_directory_is_never_written_to(ledger, state_dir, name):
    before = sorted(item.name for item in state_dir.iterdir())
    with pytest.raises(Refused, match="lies in the state directory; write the backup somewhere else"):
        await ledger.backup(state_dir / name)
    assert sorted(item.name for item in state_dir.iterdir()) == before
    await ledger.probe()


@pytest.mark.parametrize("link", ["symlink_to", "hardlink_to"])
async def test_the_ledger_by_another_name_is_not_overwritten(ledger, state_dir, tmp_path, link):
    getattr(tmp_path / "alias", link)(state_dir / "ledger.sqlite3")
    with pytest.raises(Refused, match="write the backup somewhere else"):
        await ledger.backup(tmp_path / "alias")
    await ledger.probe()


async def test_a_file_that_is_no_backup_is_not_overwritten(ledger, tmp_path):
    (tmp_path / "listener.toml").write_text("[listener]")
    with pytest.raises(Refused, match="is there already and is no backup of a ledger"):
        await ledger.backup(tmp_path / "listener.toml")
    assert (tmp_path / "listener.toml").read_text() == "[listener]"


async def test_a_folder_that_is_not_there_is_said(ledger, tmp_path):
    with pytest.raises(Refused, match=r"there is no folder .*/nowhere; make it, or write the backup somewhere else"):
        await ledger.backup(tmp_path / "nowhere" / "copy.sqlite3")


async def test_a_place_that_cannot_be_written_is_said(ledger):
    with pytest.raises(LedgerError, match=r"cannot write the backup /proc/copy.sqlite3: \w"):
        await ledger.backup(Path("/proc/copy.sqlite3"))


async def test_a_restored_backup_goes_on_where_the_lost_ledger_was(ledger, clock, tmp_path):
    """What came after the backup is listed again by the server: it gets the same case, and what is here is not filed again."""
    await filed(ledger, "one")
    await ledger.backup(tmp_path / "copy")
    (after,) = await filed(ledger, "two")
    lost = [row["idempotency_key"] for row in (await ledger.explain(2))["deliveries"]]
    restored = tmp_path / "restored"
    restored.mkdir(mode=0o700)
    shutil.copy(tmp_path / "copy", restored / "ledger.sqlite3")
    async with opened(restored, expect_state=True, now=clock) as second:
        everything = page(listing("one"), listing("two"), state="two")
        await take(second, everything, {"one": b"one", "two": b"two"})
        assert await file_due(second) == [after]
        assert [row["idempotency_key"] for row in (await second.explain(2))["deliveries"]] == lost
        assert len(await second.messages()) == len(await second.cases()) == 2

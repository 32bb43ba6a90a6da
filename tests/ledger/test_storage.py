"""The state directory and the file in it: ours alone, on a local disk, of a version we know, with settings that hold."""

import contextlib
import os
import sqlite3
import stat
import subprocess
import sys

import pytest
from ledger.makers import ACCOUNT, INBOX, dump, filed, look, opened, states

from listener.errors import ConfigurationError, LedgerError, LedgerLocked, LedgerNewer
from listener.ledger import Ledger, directory, storage
from listener.mailbox import Baseline, SyncState


async def test_the_settings_are_what_durability_needs(ledger):
    connection = ledger._writer._connection
    settings = {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "page_size": 16384,
        "auto_vacuum": 2,
        "busy_timeout": 5000,
        "wal_autocheckpoint": 0,
    }
    assert {name: storage.pragma(connection, name) for name in settings} == settings


async def test_a_setting_that_does_not_hold_is_refused(state_dir, monkeypatch):
    monkeypatch.setitem(storage._WRITER, "journal_mode", "delete")
    monkeypatch.setattr(storage, "_apply", lambda connection, settings: None)
    with pytest.raises(LedgerError, match="did not take"):
        await Ledger.open(state_dir)


async def test_readers_cannot_write(ledger):
    with pytest.raises(LedgerError, match="SQLITE_READONLY"):
        await ledger._read(lambda connection: connection.execute("DELETE FROM entries"))


async def test_directory_and_files_are_for_us_alone(ledger, state_dir):
    modes = {item.name: stat.S_IMODE(item.stat().st_mode) for item in state_dir.iterdir()}
    assert stat.S_IMODE(state_dir.stat().st_mode) == 0o700
    assert modes == dict.fromkeys(modes, 0o600)
    assert len(modes) == 4


async def test_an_open_but_empty_directory_is_closed_to_others(state_dir):
    state_dir.mkdir(mode=0o755)
    async with opened(state_dir):
        assert stat.S_IMODE(state_dir.stat().st_mode) == 0o700


async def test_a_directory_that_others_use_is_left_as_it_is(state_dir):
    state_dir.mkdir(mode=0o755)
    (state_dir / "somebody's file").touch()
    with pytest.raises(ConfigurationError, match="holds other files; give Listener its own directory"):
        await Ledger.open(state_dir)
    assert stat.S_IMODE(state_dir.stat().st_mode) == 0o755


async def test_a_place_where_no_directory_can_be_is_a_fault_of_the_setting(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"listener\.state_dir: .* cannot be used: Not a directory"):
        await Ledger.open(tmp_path / "file" / "state")


async def test_a_second_opener_is_refused_and_told_who_has_it(ledger, state_dir):
    with pytest.raises(LedgerLocked, match=f"held by another Listener .process {os.getpid()}."):
        await Ledger.open(state_dir)
    assert await ledger.paused() == set()


async def test_another_process_is_refused_too(ledger, state_dir):
    code = "import asyncio, sys, pathlib, listener.ledger as l; asyncio.run(l.Ledger.open(pathlib.Path(sys.argv[1])))"
    ended = subprocess.run([sys.executable, "-c", code, str(state_dir)], capture_output=True, text=True, check=False)
    assert f"LedgerLocked: {state_dir} is held by another Listener (process {os.getpid()})" in ended.stderr


async def test_the_lock_is_given_back_at_the_end_and_after_a_failed_start(state_dir):
    async with opened(state_dir):
        pass
    with contextlib.closing(sqlite3.connect(state_dir / "ledger.sqlite3")) as connection:
        connection.execute("PRAGMA user_version = 99")
    for _ in range(2):
        with pytest.raises(LedgerNewer, match=r"has version 99, this Listener knows [0-9]+"):
            await Ledger.open(state_dir)


async def test_a_newer_ledger_is_not_touched(state_dir):
    async with opened(state_dir):
        pass
    with contextlib.closing(sqlite3.connect(state_dir / "ledger.sqlite3")) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = (state_dir / "ledger.sqlite3").read_bytes()
    with pytest.raises(LedgerNewer):
        await Ledger.open(state_dir)
    assert (state_dir / "ledger.sqlite3").read_bytes() == before


async def test_somebody_elses_database_is_not_touched(state_dir):
    state_dir.mkdir(mode=0o700)
    with contextlib.closing(sqlite3.connect(state_dir / "ledger.sqlite3")) as connection:
        connection.executescript("CREATE TABLE theirs (x); PRAGMA application_id = 7; PRAGMA user_version = 1")
    with pytest.raises(LedgerError, match="is not a ledger of Listener"):
        await Ledger.open(state_dir)


async def test_a_file_that_is_no_database_is_a_failed_storage(state_dir):
    state_dir.mkdir(mode=0o700)
    (state_dir / "ledger.sqlite3").write_bytes(b"not a database" * 1000)
    with pytest.raises(LedgerError, match="SQLITE_NOTADB"):
        await Ledger.open(state_dir)


async def test_an_old_sqlite_is_named(state_dir, monkeypatch):
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))
    with pytest.raises(LedgerError, match=r"is too old; Listener needs 3\.37"):
        await Ledger.open(state_dir)


async def test_an_expected_ledger_that_is_not_there_is_not_begun_anew(state_dir):
    with pytest.raises(ConfigurationError, match="is not there, and expect_state = true says that it should be: restore it"):
        await Ledger.open(state_dir, expect_state=True)
    assert not (state_dir / "ledger.sqlite3").exists()
    async with opened(state_dir):
        pass
    async with opened(state_dir, expect_state=True) as ledger:
        assert ledger.epoch == 2


async def test_every_opening_is_a_new_epoch(state_dir):
    for epoch in (1, 2, 3):
        async with opened(state_dir) as ledger:
            assert ledger.epoch == epoch


async def test_starting_twice_equals_starting_once(state_dir, clock):
    """R-14: recovery changes nothing but the fence."""
    async with opened(state_dir, now=clock) as ledger:
        await ledger.set_baseline(ACCOUNT, INBOX, Baseline(SyncState("1:1"), 5.0, ("old",)))
        await filed(ledger, "one", "two")
        await ledger.begin_delivery(1)
    before = dump(state_dir)
    for _ in range(2):
        async with opened(state_dir, now=clock):
            pass
        assert dump(state_dir) == before


async def test_a_start_that_was_cut_off_is_finished_by_the_next(state_dir, monkeypatch):
    """The schema comes in one transaction: there is no half of it."""
    whole = storage.migrations()
    with monkeypatch.context() as cut:
        cut.setattr(storage, "migrations", lambda: (whole[0] + "\nSELECT * FROM nowhere;",))
        with pytest.raises(LedgerError):
            await Ledger.open(state_dir)
    assert look(state_dir, "SELECT count(*) FROM sqlite_schema") == [(0,)]
    async with opened(state_dir) as ledger:
        assert await states(ledger) == []


MOUNTS = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
30 22 0:40 / /srv/mail rw - nfs4 server:/export rw,vers=4.2
31 30 254:1 / /srv/mail/local rw - xfs /dev/vdb rw
32 22 0:41 / /mnt/with\\040space rw - cifs //server/share rw
33 22 0:42 / /mnt/over rw - nfs server:/old rw
34 22 254:2 / /mnt/over rw - ext4 /dev/vdc rw
broken line
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/listener", "ext4"),
        ("/srv/mail", "nfs4"),
        ("/srv/mail/state", "nfs4"),
        ("/srv/mailbox", "ext4"),
        ("/srv/mail/local/state", "xfs"),
        ("/mnt/with space/state", "cifs"),
        ("/mnt/over/state", "ext4"),
    ],
)
def test_the_file_system_of_a_path_is_found_among_the_mounts(tmp_path, path, kind):
    assert directory.filesystem(type(tmp_path)(path), MOUNTS) == kind


async def test_a_network_file_system_is_refused(state_dir, tmp_path, monkeypatch):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"40 22 0:40 / {tmp_path} rw - nfs4 server:/export rw\n")
    monkeypatch.setattr(directory, "_MOUNTS", mounts)
    with pytest.raises(ConfigurationError, match=r"is on a network file system \(nfs4\), which can lose commits"):
        await Ledger.open(state_dir)

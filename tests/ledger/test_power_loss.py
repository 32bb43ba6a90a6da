"""Power loss: whatever was acknowledged is there after any crash that the kernel's promises allow.

A real process works under strace; from its writes and syncs the files are rebuilt as a disk may hold them when the power goes
at some moment: everything synced, and of what was written since, any part, in any order, torn at sector borders. Each such
disk is opened by SQLite. With synchronous=FULL none lacks an acknowledged message; with NORMAL many do, which proves that the
instrument would see it.
"""

import contextlib
import random
import sqlite3
from pathlib import Path

import pytest
from conftest import unavailable
from ledger import strace
from ledger.workload import octets

MESSAGES = 24
CHECKPOINT = 1_000_000
"""Small, so that the recorded time holds several checkpoints."""
SECTOR = 512
FULL, NORMAL = 2, 1
KEPT = "SELECT e.unique_id, r.octets FROM entries AS e JOIN raw AS r ON r.id = e.raw ORDER BY e.id"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """The calls of one run for each setting, recorded when first asked for."""
    if reason := strace.missing():
        unavailable(reason)
    root, kept = tmp_path_factory.mktemp("recorded"), {}

    def record(synchronous):
        if synchronous not in kept:
            more = ("--synchronous", synchronous, "--checkpoint", CHECKPOINT)
            kept[synchronous] = strace.record(root / f"{synchronous}.trace", root / f"{synchronous}", MESSAGES, *more)
        return kept[synchronous]

    return record


class Disk:
    """Files as synced, and what was written to them since, in order; kept of the ledger and its log only."""

    def __init__(self):
        self.synced, self.pending, self.covered = {}, {}, {}

    def apply(self, call):
        name = Path(call.path).name
        if name not in ("ledger.sqlite3", "ledger.sqlite3-wal"):
            return
        if call.kind in ("write", "truncate"):
            self.pending.setdefault(name, []).append(call)
        elif call.kind == "begin-sync":
            self.covered[name] = len(self.pending.get(name, ()))
        elif call.kind == "sync":
            done = self.covered.pop(name, 0)
            content = self.synced.setdefault(name, bytearray())
            for written in self.pending.get(name, [])[:done]:
                put(content, written.offset, written)
            self.pending[name] = self.pending.get(name, [])[done:]

    def after_power_loss(self, chance):
        """One state the disk may be in. Truncations, like writes, may or may not have happened."""
        files = {name: bytearray(content) for name, content in self.synced.items()}
        share = chance.choice((0.0, 0.1, 0.5, 0.9, 1.0))
        for name, calls in self.pending.items():
            survived = [call for call in calls if chance.random() < share]
            if chance.random() < 0.5:
                chance.shuffle(survived)
            for call in survived:
                torn = chance.random() < 0.2
                put(files.setdefault(name, bytearray()), call.offset, call, chance if torn else None)
        return files


def put(content, offset, call, chance=None):
    """Apply a write (torn: only some of its sectors) or a truncation."""
    if call.kind == "truncate":
        del content[offset:]
        content.extend(bytes(offset - len(content)))
        return
    end = offset + len(call.octets)
    content.extend(bytes(max(0, end - len(content))))
    for start in range(0, len(call.octets), SECTOR) if chance else [0]:
        piece = call.octets[start : start + SECTOR] if chance else call.octets
        if chance is None or chance.random() < 0.5:
            content[offset + start : offset + start + len(piece)] = piece


def crashes(calls, moments):
    """The disk and what was acknowledged, at each of the moments (indexes into the calls)."""
    disk, acknowledged, ready = Disk(), 0, False
    for index, call in enumerate(calls):
        if index in moments and ready:
            yield disk, acknowledged
        disk.apply(call)
        if call.kind == "said":
            words = call.octets.decode().split()
            ready = ready or words == ["ready"]
            acknowledged = int(words[1]) if words[0] == "ack" else acknowledged


def found(folder, files):
    """How many messages the rebuilt ledger has, from the first on, without a gap and unharmed."""
    for old in folder.iterdir():
        old.unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    with contextlib.closing(sqlite3.connect(folder / "ledger.sqlite3")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        if connection.execute("PRAGMA user_version").fetchone() == (0,):
            return 0
        kept = connection.execute(KEPT).fetchall()
        state = connection.execute("SELECT sync_state FROM sync_states").fetchall()
    assert kept == [(f"1:{number}", octets(number)) for number in range(1, len(kept) + 1)]
    assert state == ([(f"1:{len(kept) + 1}",)] if kept else []), "the sync state covers its rows and no others"
    return len(kept)


def losses(calls, states, seed, folder):
    """How many of so many random crashes lost an acknowledged message."""
    chance = random.Random(seed)
    moments = sorted(chance.choices(range(len(calls)), k=states))
    lost = 0
    for disk, acknowledged in crashes(calls, set(moments)):
        for _ in range(2):
            kept = found(folder, disk.after_power_loss(chance))
            lost += kept < acknowledged
    return lost


def test_no_acknowledged_message_is_lost(recorded, tmp_path):
    assert losses(recorded(FULL), 60, 1, tmp_path) == 0


def test_the_usual_setting_would_lose_some_and_this_test_would_see_it(recorded, tmp_path):
    assert losses(recorded(NORMAL), 60, 1, tmp_path) > 10


@pytest.mark.long
@pytest.mark.parametrize("seed", range(10))
def test_no_acknowledged_message_is_lost_at_any_moment(recorded, tmp_path, seed):
    calls = recorded(FULL)
    assert losses(calls, len(calls), seed, tmp_path) == 0


def test_an_answer_is_given_only_after_the_log_was_synced(recorded):
    """The order itself: no `ack` while anything of the log is unsynced."""
    disk = Disk()
    for call in recorded(FULL):
        disk.apply(call)
        if call.kind == "said" and call.octets.startswith(b"ack"):
            assert not disk.pending.get("ledger.sqlite3-wal")

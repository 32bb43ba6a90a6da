"""A new key for stored secrets: at no step is anything unreadable, and what was signed before is still known."""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from listener.config import Listener
from listener.credentials import rotation
from listener.credentials.rotation import rotate
from listener.credentials.sealing import KEY_FILE, SealedSecrets, keyring, sealing_keys
from listener.errors import ConfigurationError, LedgerFull, PermanentFailure
from listener.ledger import Ledger

CANARY = "correct-horse-battery"
CASE = "ABCDEFGHIJKLM"


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    ledger = await Ledger.open(tmp_path)
    yield ledger
    await ledger.close()


def secrets_of(listener: Listener, ledger: Ledger) -> SealedSecrets:
    return SealedSecrets(ledger, lambda: sealing_keys(listener))


async def kept(ledger: Ledger, name: str = "oauth/a") -> bytes:
    sealed = await ledger.secret(name)
    assert sealed is not None
    return sealed


async def test_every_secret_is_sealed_anew_and_opens_with_the_new_key_alone(tmp_path: Path, ledger: Ledger) -> None:
    listener = Listener(state_dir=tmp_path)
    sealed = secrets_of(listener, ledger)
    for name in ("oauth/a", "account/b/receiver.password"):
        await sealed.save(name, CANARY + name)
    before = await kept(ledger)
    done = await rotate(listener, ledger)
    assert (done.sealed, done.unreadable) == (2, ())
    assert await kept(ledger) != before
    assert done.former is not None
    done.former.unlink()
    assert await sealed.load("oauth/a") == CANARY + "oauth/a"
    assert sealed.read("account/b/receiver.password") == CANARY + "account/b/receiver.password"
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600


async def test_tokens_that_a_former_key_signed_are_still_known(tmp_path: Path, ledger: Ledger) -> None:
    listener = Listener(state_dir=tmp_path)
    before = keyring(listener, make=True)
    for _ in range(3):
        await rotate(listener, ledger)
    after = keyring(listener, make=False)
    assert before.keys[0] in after.keys[1:]
    assert after.keys[0] not in before.keys
    assert len(set(after.keys)) == 4


async def test_a_key_file_of_the_operators_is_left_alone(tmp_path: Path, ledger: Ledger) -> None:
    for name in ("old", "new"):
        (tmp_path / name).write_text(f"a long enough key, {name}\n")
    await secrets_of(Listener(state_dir=tmp_path, key_file=tmp_path / "old"), ledger).save("oauth/a", CANARY)
    both = Listener(state_dir=tmp_path, key_file=tmp_path / "new", old_key_files=(tmp_path / "old",))
    assert await secrets_of(both, ledger).load("oauth/a") == CANARY
    done = await rotate(both, ledger)
    assert (done.sealed, done.former) == (1, None)
    assert await secrets_of(Listener(state_dir=tmp_path, key_file=tmp_path / "new"), ledger).load("oauth/a") == CANARY
    assert (tmp_path / "new").read_text() == "a long enough key, new\n"
    assert not (tmp_path / KEY_FILE).exists()


async def test_what_no_key_opens_is_named_and_left_as_it_is(tmp_path: Path, ledger: Ledger) -> None:
    listener = Listener(state_dir=tmp_path)
    await secrets_of(listener, ledger).save("oauth/a", CANARY)
    await ledger.set_secret("oauth/b", b"\x01of another key")
    done = await rotate(listener, ledger)
    assert (done.sealed, done.unreadable) == (1, ("oauth/b",))
    assert await ledger.secret("oauth/b") == b"\x01of another key"


class Killed(Exception):
    """The process dies here."""


STEPS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "before the former key is linked": lambda m: m.setattr(os, "link", die),
    "before the new one is written": lambda m: m.setattr(rotation.sealing, "write_key", die),
    "before it takes the name": lambda m: m.setattr(os, "replace", die),
    "before the folder is synced": lambda m: m.setattr(rotation, "_sync", die),
    "before secrets are sealed anew": lambda m: m.setattr(Ledger, "reseal", die),
    "while they are": lambda m: m.setattr(rotation.sealing, "sealed_with", die),
}


def die(*_: object, **__: object) -> None:
    raise Killed


@pytest.mark.parametrize("step", STEPS)
async def test_killed_at_any_step_everything_stays_readable_and_the_next_rotation_ends_it(
    tmp_path: Path, ledger: Ledger, step: str
) -> None:
    listener = Listener(state_dir=tmp_path)
    await secrets_of(listener, ledger).save("oauth/a", CANARY)
    signed = keyring(listener, make=True).keys[0]
    with pytest.MonkeyPatch.context() as patch:
        STEPS[step](patch)
        with pytest.raises(Killed):
            await rotate(listener, ledger)
    assert await secrets_of(listener, ledger).load("oauth/a") == CANARY
    assert signed in keyring(listener, make=False).keys
    done = await rotate(listener, ledger)
    assert (done.sealed, done.unreadable) == (1, ())
    assert await secrets_of(listener, ledger).load("oauth/a") == CANARY
    assert signed in keyring(listener, make=False).keys


async def test_a_full_disk_changes_no_secret(tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    listener = Listener(state_dir=tmp_path)
    await secrets_of(listener, ledger).save("oauth/a", CANARY)

    async def full(*_: object) -> int:
        raise LedgerFull("the disk is full")

    monkeypatch.setattr(Ledger, "reseal", full)
    with pytest.raises(LedgerFull):
        await rotate(listener, ledger)
    assert await secrets_of(listener, ledger).load("oauth/a") == CANARY


async def test_a_state_folder_that_cannot_be_written_is_a_fault(tmp_path: Path, ledger: Ledger) -> None:
    with pytest.raises(ConfigurationError, match="cannot be replaced"):
        await rotate(Listener(state_dir=tmp_path / "nowhere"), ledger)


async def test_without_its_key_a_secret_is_not_opened(tmp_path: Path, ledger: Ledger) -> None:
    listener = Listener(state_dir=tmp_path)
    await secrets_of(listener, ledger).save("oauth/a", CANARY)
    (tmp_path / KEY_FILE).unlink()
    with pytest.raises(PermanentFailure, match="cannot be opened"):
        await secrets_of(listener, ledger).load("oauth/a")

"""What Listener keeps for itself is unreadable without the key, and bound to its name."""

import stat
from pathlib import Path

import pytest

from listener.config import Listener
from listener.credentials.sealing import KEY_FILE, SealedSecrets, keyring, sealing_keys
from listener.errors import ConfigurationError, PermanentFailure

CANARY = "correct-horse-battery"


class Keeper:
    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    async def secret(self, name: str) -> bytes | None:
        return self.kept.get(name)

    async def set_secret(self, name: str, sealed: bytes | None) -> None:
        assert sealed is not None
        self.kept[name] = sealed


def present_key(tmp_path: Path, **more) -> bytes:
    return sealing_keys(settings(tmp_path, **more))[0]


@pytest.fixture
def key(tmp_path: Path) -> bytes:
    (tmp_path / "key").write_text("a long enough key\n")
    return present_key(tmp_path, key_file=tmp_path / "key")


async def test_a_secret_comes_back_and_is_not_readable_where_it_lies(key: bytes) -> None:
    keeper = Keeper()
    await SealedSecrets(keeper, lambda: (key,)).save("oauth/p", CANARY)
    assert CANARY.encode() not in keeper.kept["oauth/p"]
    assert await SealedSecrets(keeper, lambda: (key,)).load("oauth/p") == CANARY
    assert await SealedSecrets(keeper, lambda: (key,)).load("oauth/q") is None


async def test_the_same_secret_never_looks_the_same(key: bytes) -> None:
    keeper = Keeper()
    sealed = SealedSecrets(keeper, lambda: (key,))
    await sealed.save("a", CANARY)
    first = keeper.kept["a"]
    await sealed.save("a", CANARY)
    assert keeper.kept["a"] != first


@pytest.mark.parametrize(
    "change", [lambda s: s[:-1] + bytes([s[-1] ^ 1]), lambda s: b"\x02" + s[1:], lambda s: s[:8], lambda s: b""]
)
async def test_tampering_is_noticed(key: bytes, change) -> None:
    keeper = Keeper()
    sealed = SealedSecrets(keeper, lambda: (key,))
    await sealed.save("a", CANARY)
    keeper.kept["a"] = change(keeper.kept["a"])
    with pytest.raises(PermanentFailure, match="cannot be opened"):
        await sealed.load("a")


async def test_a_secret_in_the_place_of_another_is_not_opened(key: bytes) -> None:
    keeper = Keeper()
    sealed = SealedSecrets(keeper, lambda: (key,))
    await sealed.save("a", CANARY)
    keeper.kept["b"] = keeper.kept["a"]
    with pytest.raises(PermanentFailure):
        await sealed.load("b")


async def test_another_key_opens_nothing(key: bytes, tmp_path: Path) -> None:
    keeper = Keeper()
    await SealedSecrets(keeper, lambda: (key,)).save("a", CANARY)
    (tmp_path / "other").write_text("another long enough key")
    with pytest.raises(PermanentFailure) as raised:
        await SealedSecrets(keeper, lambda: sealing_keys(settings(tmp_path, key_file=tmp_path / "other"))).load("a")
    assert raised.value.setting == "listener.key_file"


def test_without_a_key_file_one_is_made_once_for_us_alone(tmp_path: Path) -> None:
    first = present_key(tmp_path)
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600
    assert present_key(tmp_path) == first
    assert len(first) == 32


@pytest.mark.parametrize(("content", "reason"), [(None, "there is no file"), ("", "is empty"), ("short", "fewer than 16")])
def test_a_key_that_cannot_be_used_is_a_fault(tmp_path: Path, content: str | None, reason: str) -> None:
    if content is not None:
        (tmp_path / "key").write_text(content)
    with pytest.raises(ConfigurationError, match=reason):
        present_key(tmp_path, key_file=tmp_path / "key")


def test_a_state_folder_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be made"):
        present_key(tmp_path / "nowhere")


def settings(tmp_path: Path, **more) -> Listener:
    return Listener(state_dir=tmp_path, **more)


def key_file(tmp_path: Path, name: str) -> Path:
    path = tmp_path / name
    path.write_text(f"a long enough key, {name}\n")
    return path


def test_the_present_key_signs_and_former_ones_verify(tmp_path: Path) -> None:
    old, new = key_file(tmp_path, "old"), key_file(tmp_path, "new")
    before = keyring(settings(tmp_path, key_file=old), make=False)
    rotated = keyring(settings(tmp_path, key_file=new, old_key_files=[old]), make=False)
    after = keyring(settings(tmp_path, key_file=new), make=False)
    assert rotated.keys == (*after.keys, *before.keys)


def test_a_token_key_is_not_the_key_of_secrets(tmp_path: Path) -> None:
    file = key_file(tmp_path, "key")
    assert keyring(settings(tmp_path, key_file=file), make=False).keys[0].secret != present_key(tmp_path, key_file=file)


def test_a_key_for_tokens_is_made_only_where_it_is_needed(tmp_path: Path) -> None:
    assert keyring(settings(tmp_path), make=False).keys == ()
    made = keyring(settings(tmp_path), make=True)
    assert len(made.keys) == 1
    assert keyring(settings(tmp_path), make=False) == made


def test_a_former_key_that_cannot_be_used_is_named_by_its_setting(tmp_path: Path) -> None:
    present, short = key_file(tmp_path, "key"), tmp_path / "short"
    short.write_text("short")
    for old, reason in ((short, "guess"), (tmp_path / "gone", "no file")):
        with pytest.raises(ConfigurationError, match=reason) as caught:
            keyring(settings(tmp_path, key_file=present, old_key_files=[old]), make=False)
        assert caught.value.faults[0].setting == "listener.old_key_files"

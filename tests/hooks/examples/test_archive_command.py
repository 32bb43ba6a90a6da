"""docs/hooks.md: the archive keeps each message once, and a full disk is tried again."""

import pytest

from listener.hooks import Filed, HookFailed
from listener.hooks.command import CommandHost
from tests.hooks.conftest import RAW


@pytest.fixture
async def archive(script, tmp_path):
    program = tmp_path / "archive"
    program.write_text(script)
    program.chmod(0o755)
    host = CommandHost("command:archive", [str(program), str(tmp_path / "kept")], timeout=10)
    await host.start()
    return host


async def test_a_message_is_kept_under_its_case_and_key_and_its_place_is_the_reference(archive, tmp_path, message, case, entry):
    kept = tmp_path / "kept" / case.id / f"{entry.idempotency_key}.eml"
    assert await archive.handle(message, case, entry) == Filed(reference=str(kept))
    assert kept.read_bytes() == RAW
    assert list(kept.parent.iterdir()) == [kept]


async def test_called_again_it_keeps_one(archive, tmp_path, message, case, entry):
    first = await archive.handle(message, case, entry)
    kept = tmp_path / "kept" / case.id / f"{entry.idempotency_key}.eml"
    kept.write_bytes(b"as it was")
    assert await archive.handle(message, case, entry) == first
    assert kept.read_bytes() == b"as it was"


async def test_a_place_that_cannot_be_written_is_tried_again(archive, tmp_path, message, case, entry):
    (tmp_path / "kept").write_text("a file where a folder should be")
    with pytest.raises(HookFailed, match="exit 75"):
        await archive.handle(message, case, entry)

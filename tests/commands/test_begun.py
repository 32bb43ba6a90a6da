"""State is expected once there was some, without anybody having to say so."""

import tomllib

from listener.commands.begun import expecting, hint, mark_of, remember
from listener.config import Config


def config():
    return Config.model_validate(tomllib.loads("[listener]\n"))


def test_the_first_start_expects_nothing_and_the_next_ones_do(tmp_path):
    mark = mark_of({"LISTENER_BEGUN": str(tmp_path / "begun")})
    assert expecting(config(), mark).listener.expect_state is False
    assert hint(mark) == ""
    remember(mark)
    assert expecting(config(), mark).listener.expect_state is True
    assert str(mark) in hint(mark)


def test_without_the_variable_nothing_is_remembered():
    assert mark_of({}) is None
    remember(None)
    assert expecting(config(), None).listener.expect_state is False


def test_a_mark_that_cannot_be_written_is_no_fault(tmp_path):
    remember(tmp_path / "nowhere" / "begun")
    assert not (tmp_path / "nowhere").exists()

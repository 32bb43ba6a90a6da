"""`listener parse`: one line for every file, in order, whatever is in it."""

import hashlib
import io
import json
import os
import pty
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from mails import file, message, multipart, part

from listener.errors import ParseCrash
from listener.message import parse
from listener.parsing.command import parse_paths
from listener.parsing.worker import Worker


def run(*paths: str | Path, **options: Any) -> tuple[int, list[dict[str, Any]]]:
    out = io.StringIO()
    code = parse_paths([str(path) for path in paths], out=out, progress=False, **options)
    return code, [json.loads(line) for line in out.getvalue().splitlines()]


@pytest.fixture
def mails(tmp_path: Path) -> Path:
    folder = tmp_path / "mails"
    (folder / "sub").mkdir(parents=True)
    for number in range(40):
        (folder / f"{number:02}.eml").write_bytes(message(f"number {number}"))
    (folder / "sub" / "a.eml").write_bytes(message("in a sub-folder"))
    return folder


def test_folders_are_walked_in_sorted_order(mails: Path) -> None:
    code, lines = run(mails)
    assert code == 0
    assert [line["path"] for line in lines] == [*(str(mails / f"{n:02}.eml") for n in range(40)), str(mails / "sub" / "a.eml")]
    assert [line["text"] for line in lines] == [*(f"number {n}" for n in range(40)), "in a sub-folder"]


def test_several_are_parsed_at_once_and_still_printed_in_order(mails: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask, others = Worker.ask, threading.Semaphore(0)

    def slow_first(self: Worker, octets: bytes, *args: Any, **more: Any) -> Any:
        if b"number 0" in octets:
            assert others.acquire(timeout=20), "nothing else was parsed meanwhile"
        else:
            others.release()
        return ask(self, octets, *args, **more)

    monkeypatch.setattr(Worker, "ask", slow_first)
    _, lines = run(mails, workers=2)
    assert [line["text"] for line in lines[:3]] == ["number 0", "number 1", "number 2"]


def test_all_cores_are_used(mails: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Worker] = []
    monkeypatch.setattr("listener.parsing.command.Worker", lambda: made.append(Worker()) or made[-1])
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    run(mails / "00.eml")
    assert len(made) == 3


def test_each_line_is_of_the_schema(mails: Path) -> None:
    _, (line,) = run(mails / "07.eml")
    assert list(line) == [*parse(message("number 7")).as_json(), "path"]


def test_standard_input_is_a_dash(mails: Path) -> None:
    _, lines = run(mails / "00.eml", "-", standard_input=io.BytesIO(message("from a pipe")))
    assert [(line["path"], line["text"]) for line in lines] == [(str(mails / "00.eml"), "number 0"), ("-", "from a pipe")]


def test_a_path_that_cannot_be_read_is_a_line_and_an_exit_code(mails: Path) -> None:
    code, lines = run(mails / "none.eml", mails / "00.eml")
    assert code == 1
    assert lines[0]["defects"] == ["cannot be read: No such file or directory"]
    assert lines[1]["text"] == "number 0"


def test_a_message_that_kills_its_worker_is_a_line_too(mails: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask = Worker.ask

    def crash(self: Worker, octets: bytes, *rest: Any, **options: Any) -> Any:
        if b"number 3" in octets:
            raise ParseCrash("the parse worker died")
        return ask(self, octets, *rest, **options)

    monkeypatch.setattr(Worker, "ask", crash)
    code, lines = run(mails / "02.eml", mails / "03.eml", mails / "04.eml")
    assert code == 0
    assert [line["text"] for line in lines] == ["number 2", "", "number 4"]
    assert lines[1]["defects"] == ["parse_crash: the parse worker died"]


def test_attachments_are_written_under_their_digest(tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_bytes(multipart("mixed", part("x"), file(b"one", name="../../evil"), file(b"two")))
    _, (line,) = run(tmp_path / "a.eml", attachments=tmp_path / "out")
    digests = [hashlib.sha256(octets).hexdigest() for octets in (b"one", b"two")]
    assert [attachment["sha256"] for attachment in line["attachments"]] == digests
    assert sorted(os.listdir(tmp_path / "out")) == sorted(digests)
    assert (tmp_path / "out" / digests[0]).read_bytes() == b"one"


def test_progress_is_drawn_on_a_terminal_of_its_own_accord_and_only_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.eml").write_bytes(message("x"))
    monkeypatch.setenv("TERM", "xterm")
    ours, theirs = pty.openpty()
    os.set_blocking(ours, False)
    with open(ours, "rb", buffering=0) as screen, open(theirs, "w") as terminal, open(tmp_path / "log", "w+") as log:
        for stderr in (terminal, log):
            monkeypatch.setattr(sys, "stderr", stderr)
            assert parse_paths([str(tmp_path / "a.eml")], out=io.StringIO()) == 0
        assert b"messages parsed" in (screen.read(65536) or b"")
        assert log.tell() == 0


def test_progress_is_drawn_beside_the_output(mails: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = io.StringIO()
    parse_paths([str(mails)], out=out, progress=True)
    assert len(out.getvalue().splitlines()) == 41
    assert capsys.readouterr().out == ""


def test_a_reader_who_had_enough_ends_it(mails: Path) -> None:
    class Pipe(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    assert parse_paths([str(mails)], out=Pipe(), progress=False) == 1

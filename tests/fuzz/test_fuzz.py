"""Runs the fuzz targets for a while: with libFuzzer where atheris is installed, else on random mutations."""

import random
import subprocess
import sys
from pathlib import Path

import pytest
from fuzz import fuzz_message

TARGETS = ["message", "body", "markup", "classifier", "results", "enclosed", "wrapped", "filename"]


@pytest.mark.parametrize("target", TARGETS)
def test_a_moment_of_fuzzing_finds_nothing(target: str) -> None:
    assert set(TARGETS) == set(fuzz_message.TARGETS)
    chance = random.Random(65)
    for _ in range(60):
        fuzz_message.timed(fuzz_message.TARGETS[target])(fuzz_message.mutated(chance))


@pytest.mark.long
@pytest.mark.parametrize("target", TARGETS)
def test_a_minute_of_fuzzing_finds_nothing(target: str, tmp_path: Path) -> None:
    script = Path(__file__).with_name("fuzz_message.py")
    command = [sys.executable, str(script), target, "-max_total_time=60"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-4000:]

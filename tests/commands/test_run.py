"""`listener run` before the daemon stands."""

import os
import signal

import pytest


@pytest.fixture
def handlers():
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("handlers")
def test_told_to_end_while_it_still_loads_it_ends_well(listener, monkeypatch):
    def loading(arguments):
        os.kill(os.getpid(), signal.SIGTERM)
        pytest.fail("it went on")

    monkeypatch.setattr("listener.commands.daemon.run", loading)
    assert listener("run") == (0, "", "")

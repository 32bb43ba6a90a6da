"""What systemd is told, on a socket of our own (sd_notify(3))."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from listener.systemd import Notifier


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.settimeout(5)
        yield receiver


def notifier(receiver: socket.socket, **more: str) -> Notifier:
    return Notifier({"NOTIFY_SOCKET": receiver.getsockname(), **more}, monotonic_ns=lambda: 5_000_999)


def lines(receiver: socket.socket) -> list[str]:
    return receiver.recv(4096).decode().split("\n")


def test_ready_says_so_with_a_status(heard: socket.socket) -> None:
    notifier(heard).ready("3 accounts")
    assert lines(heard) == ["READY=1", "STATUS=3 accounts"]


def test_reloading_carries_the_monotonic_time_in_the_same_datagram(heard: socket.socket) -> None:
    notifier(heard).reloading()
    assert lines(heard) == ["RELOADING=1", "MONOTONIC_USEC=5000"]


def test_stopping_and_alive(heard: socket.socket) -> None:
    notifier(heard).stopping("draining")
    assert lines(heard) == ["STOPPING=1", "STATUS=draining"]
    notifier(heard).alive()
    assert lines(heard) == ["WATCHDOG=1"]


def test_a_status_cannot_smuggle_another_line(heard: socket.socket) -> None:
    notifier(heard).status("fine\nREADY=1\x1b[0m" + "x" * 5000)
    (line,) = lines(heard)
    assert line.startswith("STATUS=fine READY=1 [0mxxx")
    assert len(line) < 300


def test_the_abstract_namespace_is_reached() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(f"\0listener-test-{os.getpid()}")
        receiver.settimeout(5)
        Notifier({"NOTIFY_SOCKET": f"@listener-test-{os.getpid()}"}).ready()
        assert lines(receiver) == ["READY=1"]


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": "/nowhere/at/all"}, {"NOTIFY_SOCKET": "vsock:2:1234"}])
def test_without_a_socket_that_answers_nothing_happens(environment: dict[str, str]) -> None:
    quiet = Notifier(environment)
    quiet.ready()
    quiet.alive()


def test_a_full_socket_does_not_block(heard: socket.socket) -> None:
    told = notifier(heard)
    for _ in range(10_000):
        told.alive()
    assert lines(heard) == ["WATCHDOG=1"]


@pytest.mark.parametrize(
    ("environment", "interval"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "60000000"}, 30.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_alive_is_due_at_half_of_what_systemd_allows(environment: dict[str, str], interval: float | None) -> None:
    assert Notifier(environment).watchdog_interval == interval

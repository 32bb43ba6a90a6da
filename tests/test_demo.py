"""`listener demo` as people run it: a process of its own, watched by its output."""

import re
import signal
import smtplib
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import pytest

from listener.testing import make_message, sample_names

PATIENCE = 60


class Demo:
    """The running demo and what it has printed."""

    def __init__(self, *arguments):
        command = [sys.executable, "-m", "listener", "demo", *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8")
        self.text = ""
        self._grew = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            with self._grew:
                self.text += line
                self._grew.notify_all()
        with self._grew:
            self._grew.notify_all()

    def until(self, pattern):
        """The first match in the output, as soon as it is there."""
        with self._grew:
            self._grew.wait_for(lambda: re.search(pattern, self.text) or self.process.poll() is not None, PATIENCE)
            found = re.search(pattern, self.text)
            assert found, f"{pattern!r} is not in: {self.text}"
            return found

    def end(self):
        """The exit code; everything was read by then."""
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        self.errors = self.process.stderr.read()
        self.process.stdout.close()
        self.process.stderr.close()
        return code


@pytest.fixture
def demo():
    running = []

    def start(*arguments):
        running.append(Demo(*arguments))
        return running[-1]

    yield start
    for one in running:
        if one.process.poll() is None:
            one.process.kill()
            one.end()


def test_a_short_demo_shows_every_sample_and_mail_sent_by_hand_and_ends_by_itself(demo):
    shown = demo("--seconds", "9")
    host, port = shown.until(r"SMTP +(\S+):(\d+)").groups()
    console = shown.until(r"console +(http://\S+)/")[1]
    shown.until("The lamp flickers")
    with urllib.request.urlopen(f"{console}/readyz") as answer:
        assert answer.status == 200
    with smtplib.SMTP(host, int(port)) as smtp:
        smtp.sendmail("me@example.org", ["support@example.com"], make_message("By hand.\n", subject="Sent by hand"))
    assert shown.end() == 0
    assert re.search(r"new case +\w+ +Sent by hand", shown.text)
    assert len(re.findall(r"joins case", shown.text)) == 3
    assert re.search(r"quarantined +entry \d+ +the server says .*damaged", shown.text)
    summary = shown.text.partition("\n\n")[2].partition("\n\n")[2]
    assert summary.startswith(f"{len(sample_names()) + 1} messages, 7 cases\n")
    assert re.search(r"^  \w{13} +3  The lamp flickers$", summary, re.M)
    assert shown.errors == ""


def test_interrupting_it_ends_it_cleanly_and_leaves_nothing_behind(demo):
    shown = demo()
    folder = Path(shown.until(r"config +(\S+)/listener\.toml")[1])
    shown.until("new case")
    assert folder.exists()
    shown.process.send_signal(signal.SIGINT)
    assert shown.end() == 0
    assert re.search(r"^\d+ messages, \d+ cases$", shown.text, re.M)
    assert not folder.exists()
    assert shown.errors == ""

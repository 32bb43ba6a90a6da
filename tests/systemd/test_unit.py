"""The shipped unit: what systemd says of it, and that the documents say the same. `boot.sh` runs it for real."""

import configparser
import re
import subprocess
from pathlib import Path

from conftest import needs

ROOT = Path(__file__).parent.parent.parent
UNIT = ROOT / "systemd" / "listener.service"
SERVICE = re.findall(r"^([A-Za-z]+)=(.*)$", UNIT.read_text(), re.M)
SETTING = dict(SERVICE)
INSTALLING = (ROOT / "docs" / "install-systemd.md").read_text()

analyze = needs("systemd-analyze", "systemd")


@analyze
def test_systemd_finds_nothing_wrong_with_it(tmp_path):
    """But for the program, which is installed elsewhere."""
    copy = tmp_path / "listener.service"
    copy.write_text(UNIT.read_text().replace("/opt/listener/bin/listener", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(copy)], capture_output=True, text=True, timeout=60)
    ours = [line for line in (done.stdout + done.stderr).splitlines() if "listener" in line]
    assert ours == []
    assert done.returncode == 0, done.stderr


@analyze
def test_it_is_hardly_exposed():
    words = ["systemd-analyze", "security", "--offline=true", "--threshold=15", "--no-pager", str(UNIT)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout[-300:]


def test_it_tells_systemd_and_is_watched():
    assert SETTING["Type"] == "notify"
    assert int(SETTING["WatchdogSec"]) == 60
    assert SETTING["Restart"] == "on-failure"
    assert SETTING["RestartPreventExitStatus"] == "78"
    assert int(SETTING["TimeoutStopSec"]) == 60


def test_state_is_expected_once_there_was_some():
    mark = SETTING["Environment"].removeprefix("LISTENER_BEGUN=")
    assert SETTING["ExecStartPost"] == f"+/bin/touch {mark}"
    state = {f"/var/lib/{name}" for name in SETTING["StateDirectory"].split()}
    assert not any(mark.startswith(folder) for folder in state)


def test_secrets_come_as_credentials_and_not_in_the_environment():
    assert SETTING["LoadCredential"] == "credentials:/etc/listener/credentials"
    assert [value for name, value in SERVICE if name == "Environment"] == ["LISTENER_BEGUN=/etc/listener/begun"]


def test_every_file_that_the_document_installs_is_there():
    sources = re.findall(r"^install (?:-\S+ (?:\d+ )?)*([a-z]+/\S+) /", INSTALLING, re.M)
    assert len(sources) >= 4
    assert [source for source in sources if not (ROOT / source).is_file()] == []


def test_the_group_of_the_secrets_directory_is_made_before_it_is_used():
    assert "g listener-secrets" in (ROOT / "systemd" / "listener.sysusers").read_text()
    assert re.search(
        r"^d /etc/listener/secrets 0750 root listener-secrets", (ROOT / "systemd/listener.tmpfiles").read_text(), re.M
    )
    assert INSTALLING.index("systemd-sysusers") < INSTALLING.index("systemd-tmpfiles")


def test_the_unit_is_a_proper_file():
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str
    parser.read_string(UNIT.read_text())
    assert parser.sections() == ["Unit", "Service", "Install"]

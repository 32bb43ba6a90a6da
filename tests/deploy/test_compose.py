"""compose.yaml: what it mounts is there, and Listener in it is as hardened as the documents say."""

import subprocess
from pathlib import Path

import pytest
import yaml
from conftest import needs

from listener.config.load import load

ROOT = Path(__file__).parent.parent.parent
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
LISTENER = COMPOSE["services"]["listener"]


def test_every_file_that_is_mounted_or_built_from_is_there():
    mounted = [v.split(":")[0] for s in COMPOSE["services"].values() for v in s["volumes"] if v.startswith(".")]
    named = [s["file"] for s in COMPOSE["secrets"].values()]
    builds = [
        build if isinstance(build, str) else build["context"] for build in (s["build"] for s in COMPOSE["services"].values())
    ]
    assert mounted
    assert [path for path in [*mounted, *named, *builds] if not (ROOT / path).exists()] == []
    assert all((ROOT / build / "Dockerfile").is_file() for build in builds)


def test_every_volume_secret_and_network_that_is_used_is_declared():
    for service in COMPOSE["services"].values():
        named = {volume.split(":")[0] for volume in service["volumes"] if not volume.startswith(".")}
        assert named <= COMPOSE["volumes"].keys()
        assert set(service.get("secrets", [])) <= COMPOSE["secrets"].keys()
        assert set(service["networks"]) <= COMPOSE["networks"].keys()
        assert set(service.get("depends_on", {})) <= COMPOSE["services"].keys()


def test_listener_is_hardened():
    assert LISTENER["read_only"] is True
    assert LISTENER["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in LISTENER["security_opt"]
    assert LISTENER["stop_grace_period"] == "75s"
    assert all(port.startswith("127.0.0.1:") for port in LISTENER["ports"])


def test_a_lost_volume_is_noticed():
    mark = LISTENER["environment"]["LISTENER_BEGUN"]
    places = dict(volume.split(":")[:2] for volume in LISTENER["volumes"])
    assert mark.startswith(places["begun"])
    assert not mark.startswith(places["state"] + "/")


def test_the_configuration_is_accepted():
    config = load(ROOT / "deploy/compose/listener.toml", check_files=False)
    (account,) = config.accounts
    assert account.receiver.host in COMPOSE["services"]
    assert account.receiver.security == "tls"
    for path in (account.receiver.password_file, config.admin.token_file):
        assert str(path.parent) == "/run/secrets"
        assert path.name in LISTENER["secrets"]


def test_dovecot_takes_the_same_password():
    password = (ROOT / "deploy/compose/secrets/support-password").read_text().strip()
    assert f"password={password}" in (ROOT / "deploy/compose/dovecot/dovecot.conf").read_text()


@pytest.mark.dovecot
@needs("doveconf", "dovecot-imapd")
def test_dovecot_takes_its_configuration():
    done = subprocess.run(
        ["doveconf", "-n", "-c", str(ROOT / "deploy/compose/dovecot/dovecot.conf")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr

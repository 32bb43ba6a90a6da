"""The unit in a systemd that really booted, installed by the document word for word: minutes long, so in `make test-long`."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import unavailable

HERE = Path(__file__).parent
NEEDED = ("debootstrap", "systemd-nspawn")
AT_MOST = 1500.0
"""Seconds for the first time, when a Debian is fetched."""


@pytest.mark.long
def test_install_start_mail_reload_rotation_watchdog_kill_restore_and_stop():
    missing = [name for name in NEEDED if not shutil.which(name)] or ([] if os.geteuid() == 0 else ["root"])
    if missing:
        unavailable(f"a systemd of its own cannot be booted here without {', '.join(missing)}")
    done = subprocess.run([str(HERE / "boot.sh")], capture_output=True, text=True, timeout=AT_MOST)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    assert done.stdout.rstrip().endswith("all of it holds")

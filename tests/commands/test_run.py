"""`listener run` before the daemon stands."""

import subprocess
import sys

LOADING = """
import os, signal, sys
import listener.commands.daemon as daemon
from listener.__main__ import main

def told(arguments):
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    except BaseException:
        pass  # as some do who are being imported
    return 5

daemon.run = told
sys.exit(main(["run"]))
"""


def test_told_to_end_while_it_still_loads_it_ends_well():
    done = subprocess.run([sys.executable, "-c", LOADING], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

"""Stops every thread of a process but its first, and keeps them stopped: the event loop turns, the ledger's thread does not.

python3 freeze.py PID      until the process is gone; needs root. A stop signal would stop the event loop as well.
"""

import ctypes
import os
import sys
import time
from contextlib import suppress

PTRACE_SEIZE, PTRACE_INTERRUPT = 0x4206, 0x4207
WALL = 0x40000000


def main(pid: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    others = [int(name) for name in os.listdir(f"/proc/{pid}/task") if int(name) != pid]
    for thread in others:
        for request in (PTRACE_SEIZE, PTRACE_INTERRUPT):
            if libc.ptrace(request, thread, None, None) != 0:
                sys.exit(f"ptrace: {os.strerror(ctypes.get_errno())}")
    print(f"{len(others)} threads stopped", flush=True)
    while os.path.exists(f"/proc/{pid}/task/{pid}"):
        with suppress(ChildProcessError):
            os.waitpid(-1, os.WNOHANG | WALL)  # threads that died are seen off by whoever traces them
        time.sleep(0.1)


main(int(sys.argv[1]))

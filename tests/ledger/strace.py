"""strace as an instrument: what a process wrote and synced, in order, and calls that fail on request.

`record` runs a program and returns its writes, truncations and syncs per file; `fail` makes the N-th call of a kind fail.
"""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

WORKLOAD = Path(__file__).parent / "workload.py"
_CALLS = "pwrite64,write,fdatasync,fsync,ftruncate,unlink"
_STARTED = re.compile(r"^(\d+) +(\w+)\((.*?)(?: <unfinished \.\.\.>|\) += (-?\d+).*)$")
_RESUMED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>.*\) += (-?\d+)")
_FILE = re.compile(r"^\d+<([^>]*)>")


@dataclass(frozen=True)
class Call:
    """`kind` is write, truncate, begin-sync, sync or said; a sync counts for what was written before its begin-sync."""

    kind: str
    path: str
    offset: int = 0
    octets: bytes = b""


@cache
def missing() -> str:
    """Why strace cannot be used here; "" when it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(["strace", "-f", "-o", "/dev/null", "true"], capture_output=True, text=True, check=False)
    return f"strace cannot trace here: {tried.stderr.strip()}" if tried.returncode else ""


def record(trace: Path, *arguments) -> list[Call]:
    """Every write and sync of the workload, in order."""
    options = ["-f", "--seccomp-bpf", "-y", "-xx", "-s", "1000000", "-o", str(trace), "-e", f"trace={_CALLS}"]
    subprocess.run(["strace", *options, sys.executable, str(WORKLOAD), *map(str, arguments)], check=True, capture_output=True)
    calls, begun = [], {}
    for line in trace.read_text().splitlines():
        if resumed := _RESUMED.match(line):
            calls += finished(*begun.pop(resumed[1]), int(resumed[3]))
        elif started := _STARTED.match(line):
            process, name, arguments_text, result = started.groups()
            calls += entered(name, arguments_text)
            if result is None:
                begun[process] = (name, arguments_text)
            else:
                calls += finished(name, arguments_text, int(result))
    return calls


def entered(name: str, text: str) -> list[Call]:
    path = path_of(text)
    if name in ("pwrite64", "write"):
        quoted = text.split('"')[1]
        octets = bytes.fromhex(quoted.replace("\\x", ""))
        if name == "write":
            return [Call("said", path, octets=octets)] if text.startswith("1<") else []
        return [Call("write", path, int(text.rsplit(",", 1)[1]), octets)]
    if name == "ftruncate":
        return [Call("truncate", path, int(text.rsplit(",", 1)[1]))]
    return [Call("begin-sync", path)] if name in ("fdatasync", "fsync") else []


def finished(name: str, text: str, result: int) -> list[Call]:
    return [Call("sync", path_of(text))] if name in ("fdatasync", "fsync") and result == 0 else []


def path_of(text: str) -> str:
    """With -xx the path of -y comes as hexadecimal, too."""
    found = _FILE.match(text)
    name = found[1] if found else ""
    return bytes.fromhex(name.replace("\\x", "")).decode() if "\\x" in name else name


def fail(call: str, error: str, when: str, *arguments) -> subprocess.CompletedProcess:
    """The workload, its `call` failing with `error` at the times that `when` says (strace's inject)."""
    inject = f"inject={call}:error={error}:when={when}"
    options = ["-f", "--seccomp-bpf", "-o", "/dev/null", "-e", f"trace={call}", "-e", inject]
    command = ["strace", *options, sys.executable, str(WORKLOAD), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)

"""Asks whether a locked version has a known weakness; `make audit` calls it.

    python setup/audit.py PIP_AUDIT LOCK…

Exits 0 when all were looked up and none is known, 1 when some are, 2 when not all could be looked up. pip-audit itself ends
well when the database lacks a package or cannot be reached; here that is a failure: "nothing known" and "nobody asked" must not
look the same.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

WEAK, UNKNOWN = 1, 2


def main(program: str, *locks: str) -> int:
    """All locks; the worst of their answers."""
    codes = [audit(program, lock) for lock in locks]
    if UNKNOWN in codes:
        print("That says nothing of them: run it again where https://pypi.org can be reached", file=sys.stderr)
    return max(codes)


def audit(program: str, lock: str) -> int:
    """One lock."""
    words = [program, "--disable-pip", "--require-hashes", "--format", "json", "--progress-spinner", "off", "-r", lock]
    done = subprocess.run(words, capture_output=True, text=True, timeout=600)
    try:
        answer: Any = json.loads(done.stdout)
    except ValueError:
        print(f"{lock}: the database of weaknesses could not be asked: {_last_line(done.stderr)}", file=sys.stderr)
        return UNKNOWN
    code, lines = judged(lock, answer["dependencies"])
    print("\n".join(lines), file=sys.stderr if code else sys.stdout)
    return code


def judged(lock: str, packages: list[dict[str, Any]]) -> tuple[int, list[str]]:
    """Exit code and lines of pip-audit's answer for the packages of one lock."""
    skipped = [one["name"] for one in packages if "skip_reason" in one]
    weak = [
        f"{lock}: {one['name']} {one['version']}: {found['id']}, mended in {', '.join(found['fix_versions']) or 'none yet'}"
        for one in packages
        for found in one.get("vulns", ())
    ]
    if not skipped:
        return (WEAK, weak) if weak else (0, [f"{lock}: {len(packages)} packages looked up, no weakness is known"])
    names = ", ".join(skipped[:5]) + (" …" if len(skipped) > 5 else "")
    unknown = f"{lock}: {len(skipped)} of {len(packages)} could not be looked up ({names}): no database, or it lacks them"
    return (WEAK if weak else UNKNOWN), [*weak, unknown]


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1][:300] if lines else "it said nothing"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

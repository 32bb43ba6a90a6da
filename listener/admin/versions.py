"""Which versions run: what `listener --version` prints and `build_info` shows.

The commit is what the image was built from (`$LISTENER_COMMIT`), or the checkout's own where the package lies in one; else
it is not known.
"""

from __future__ import annotations

import os
import platform
import re
import ssl
from collections.abc import Mapping
from pathlib import Path

from .. import __version__
from ..ledger.storage import sqlite_version

_COMMIT = re.compile(r"[0-9a-f]{7,64}")


def versions(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Name → version; `commit` is "" where it is not known."""
    return {
        "version": __version__,
        "commit": commit(environment, Path(__file__).parents[2]),
        "python": platform.python_version(),
        "openssl": ssl.OPENSSL_VERSION,
        "sqlite": sqlite_version(),
    }


def in_words() -> str:
    """One line for people."""
    known = versions()
    built = f", commit {known['commit'][:12]}" if known["commit"] else ""
    return f"listener {known['version']} (Python {known['python']}, {known['openssl']}, SQLite {known['sqlite']}{built})"


def commit(environment: Mapping[str, str], checkout: Path) -> str:
    """The full hash, or "". Reads the checkout's files; runs nothing."""
    named = environment.get("LISTENER_COMMIT", "")
    found = named if named else _head(checkout / ".git")
    return found if _COMMIT.fullmatch(found) else ""


def _head(git: Path) -> str:
    try:
        head = (git / "HEAD").read_text().strip()
        reference = head.removeprefix("ref: ")
        if reference == head:
            return head
        loose = git / reference
        if loose.is_file():
            return loose.read_text().strip()
        packed = (git / "packed-refs").read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return ""
    return next((line.partition(" ")[0] for line in packed if line.endswith(f" {reference}")), "")

"""Remembers, outside the state directory, that there is state: `$LISTENER_BEGUN` names a file that is made at the first ready.

From then on an empty ledger is refused as with `expect_state = true`, so that a lost disk or an unmounted volume is a clear
message and not silently skipped mail, while the very first start needs no extra step. The shipped unit and compose.yaml set
it. Where the file cannot be written (under systemd, where `ExecStartPost` makes it) that is no fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..config import Config

VARIABLE = "LISTENER_BEGUN"


def mark_of(environment: Mapping[str, str]) -> Path | None:
    """The file, where one is named."""
    named = environment.get(VARIABLE, "")
    return Path(named) if named else None


def expecting(config: Config, mark: Path | None) -> Config:
    """The configuration, expecting state where the mark says that there was some."""
    if mark is None or not mark.exists():
        return config
    return config.model_copy(update={"listener": config.listener.model_copy(update={"expect_state": True})})


def remember(mark: Path | None) -> None:
    """There is state from now on."""
    if mark is not None:
        with suppress(OSError):
            mark.touch(mode=0o600)


def hint(mark: Path | None) -> str:
    """How to begin anew although the mark is there; "" where it is not."""
    if mark is None or not mark.exists():
        return ""
    return f"{mark} says that there was a ledger, so an empty one is refused: remove that file to begin anew"

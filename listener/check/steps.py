"""One step of a check and its clock: what the sides of an account have in common, whatever is spoken. No I/O."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from ..credentials import Section
from ..errors import AccountFailure

NAMES_SHOWN = 30
"""Names that are listed, of folders or capabilities; the rest is a number."""
NAME_SHOWN = 60
"""Characters of a name."""

Steps = AsyncGenerator["Step"]


@dataclass(frozen=True, slots=True)
class Step:
    """One step's result. `said`: what was found, or what is wrong; `hint`: what to do; `setting`: the one that it is about.

    A step that is `ok` may have a hint too: it works and should still be looked at. `seconds` is how long it took.
    """

    side: Section
    name: str
    ok: bool
    seconds: float
    said: str
    hint: str = ""
    setting: str = ""


class Watch:
    """Times the step under way; whatever is raised belongs to it. `skew`: how far ahead the issuer's clock is."""

    def __init__(self, side: Section, skew: Callable[[], float | None] = lambda: None) -> None:
        self.side: Section = side
        self.skew = skew
        self.begin("settings")

    def begin(self, name: str, ago: float = 0.0) -> None:
        """A step begins now, or began `ago` seconds ago."""
        self._name, self._begun = name, time.perf_counter() - ago

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.perf_counter() - self._begun

    def ok(self, said: str, hint: str = "", setting: str = "", *, seconds: float | None = None) -> Step:
        """It succeeded."""
        return Step(self.side, self._name, True, self.seconds if seconds is None else seconds, said, hint, setting)

    def failed(self, error: AccountFailure) -> Step:
        """It failed so."""
        return Step(self.side, self._name, False, self.seconds, error.reason, error.hint, error.setting)


def few(names: list[str]) -> str:
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(_shown(name) for name in names[:NAMES_SHOWN]) + more


def _shown(name: str) -> str:
    text = "".join(c if c.isprintable() else "�" for c in name[:NAME_SHOWN])
    return f'"{text}"' if " " in text else text

"""The words mail programs put around what they quote, in thirty languages, read once from `attributions.toml`.

Used by the reply extractor only. Everything is a frozen set or a tuple of case-folded phrases; nothing here changes
after import. A phrase with `*` stands for a line that begins and ends so, with a few words between.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

FIELDS: Final = ("from", "date", "to", "cc", "subject", "other")


@dataclass(frozen=True, slots=True)
class Dividers:
    """Phrases that stand alone between dashes, and those of several words that may have more behind them."""

    whole: frozenset[str]
    beginnings: tuple[str, ...]
    longest: int  # characters of a whole one


@dataclass(frozen=True, slots=True)
class Phrases:
    """All languages in one: a line does not say in which language it is written."""

    openers: frozenset[str]
    verbs: frozenset[str]
    verbs_unspaced: tuple[str, ...]
    pronouns: frozenset[str]
    quoters: frozenset[str]
    fields: dict[str, str]
    original: Dividers
    forwarded: Dividers
    mobile: tuple[tuple[str, str], ...]
    mobile_starts: tuple[str, ...]
    mobile_ends: tuple[str, ...]
    devices: tuple[str, ...]
    owners: frozenset[str]


def load() -> Phrases:
    """Read the table. Raises tomllib.TOMLDecodeError when the file we ship is broken."""
    languages = tomllib.loads(files(__package__).joinpath("attributions.toml").read_text("utf-8")).values()

    def every(key: str) -> list[str]:
        return [fold(phrase) for language in languages for phrase in language.get(key, ())]

    verbs = every("verbs")
    mobile = [phrase.partition("*") for phrase in every("mobile")]
    return Phrases(
        openers=frozenset(every("openers")),
        verbs=frozenset(verb.split()[-1] for verb in verbs if not _unspaced(verb)),
        verbs_unspaced=tuple(verb for verb in verbs if _unspaced(verb)),
        pronouns=frozenset(every("pronouns")),
        quoters=frozenset(every("quoters")),
        fields={name: field for field in reversed(FIELDS) for name in every(field)},
        original=_dividers(every("original")),
        forwarded=_dividers(every("forwarded")),
        mobile_starts=tuple(start for start, _, _ in mobile if start),
        mobile_ends=tuple(end for start, _, end in mobile if not start),
        devices=tuple(every("devices")),
        owners=frozenset(every("owners")),
        mobile=tuple((start, end) for start, _, end in mobile),
    )


def _dividers(phrases: list[str]) -> Dividers:
    beginnings = tuple(sorted({phrase for phrase in phrases if " " in phrase}))
    return Dividers(frozenset(phrases), beginnings, max(map(len, phrases)))


def fold(text: str) -> str:
    """Case-folded, with typographic apostrophes and odd spaces made plain."""
    return text.casefold().replace("’", "'").replace("\xa0", " ").replace("\u202f", " ")


def _unspaced(word: str) -> bool:
    """Whether the script puts no spaces between words (CJK, Hangul endings): then only a substring can be looked for."""
    return any(ord(char) >= 0x2E80 for char in word)


PHRASES: Final = load()

"""Forms as tables of fields: which apply, what they hold, what came back, and each fault at its field.

A `Field` is named by the setting's dotted path. `when` says in which cases it applies: one that does not is not shown, not
sent and not taken. Values are text as a browser sends it; `settings` makes of them the nested, sparse JSON that the account
book takes, and `values` the reverse. A secret never goes back to the browser: a kept one is said to be there, an empty field
keeps it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Values = Mapping[str, str]
Settings = dict[str, Any]
Options = Sequence[tuple[str, str]]

KEPT = {"set": True}
"""What the account book says of a secret that it keeps."""
MAX_VALUE = 600_000
"""Characters of one field. More than is kept of any (accounts/drafts.py), so what is cut off here is always refused there."""
ON = "on"
HOLDS = "~"
"""A condition `~word`: the field holds the word, in whatever else it holds."""


class Sort(StrEnum):
    """How a field is shown and read."""

    TEXT = "text"
    NUMBER = "number"
    CHOICE = "choice"
    TICK = "tick"
    SECRET = "secret"
    STORE = "store"
    KEY = "key"
    LINES = "lines"


SECRETS = frozenset({Sort.SECRET, Sort.KEY})
"""What never goes back to the browser: a word, or a key of many lines."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field. `aside` fields steer the form and are no settings. `default` is what an empty form shows."""

    name: str
    label: str
    help: str = ""
    sort: Sort = Sort.TEXT
    options: Options = ()
    when: tuple[tuple[str, tuple[str, ...]], ...] = ()
    default: str = ""
    placeholder: str = ""
    aside: bool = False
    fixed: bool = False

    def applies(self, values: Values) -> bool:
        """Does it, with these values?"""
        return all(any(_fits(values.get(name, ""), one) for one in wanted) for name, wanted in self.when)

    @property
    def conditions(self) -> str:
        """`when` for the script: `name=one|other;name=one`."""
        return ";".join(f"{name}={'|'.join(wanted)}" for name, wanted in self.when)

    @property
    def lasting(self) -> bool:
        """Does its value go back to the browser?"""
        return self.sort not in SECRETS


def _fits(value: str, wanted: str) -> bool:
    """Is it that, or does it hold what stands behind a tilde?"""
    return wanted[1:] in value if wanted.startswith(HOLDS) else value == wanted


@dataclass(frozen=True, slots=True)
class Part:
    """Fields under one heading."""

    title: str
    prose: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Form:
    """What a template shows: parts, values, kept secrets and faults by field."""

    parts: tuple[Part, ...]
    values: Values
    kept: frozenset[str] = frozenset()
    faults: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    general: tuple[str, ...] = ()

    def fields(self) -> Iterable[Field]:
        """All of them, in order."""
        return (one for part in self.parts for one in part.fields)

    def label(self, name: str) -> str:
        """What the field is called, with its part's title where others are called the same."""
        found = next(((part, one) for part in self.parts for one in part.fields if one.name == name), None)
        if found is None:
            return name
        part, field = found
        is_one_of_many = sum(one.label == field.label for one in self.fields()) > 1
        return f"{part.title}: {field.label}" if is_one_of_many else field.label


def with_faults(form: Form, faults: Iterable[tuple[str, str]]) -> Form:
    """The form with each fault at its field; those of fields that are not shown are general."""
    at: dict[str, str] = {}
    general: list[str] = []
    shown = {one.name for one in form.fields() if one.applies(form.values)}
    for name, reason in faults:
        place = at_field(name, shown)
        if place:
            at[place] = f"{at[place]}; {reason}" if place in at else reason
        else:
            general.append(f"{name}: {reason}" if name else reason)
    return Form(form.parts, form.values, form.kept, at, form.notes, tuple(general))


def at_field(name: str, shown: Iterable[str]) -> str:
    """The field at which a setting's fault belongs ("receiver.folders[1]" is the list's); "" when none is shown for it."""
    bare = ALIASES.get(name.partition("[")[0], name.partition("[")[0])
    bare = bare.removesuffix("_file")
    if bare in shown:
        return bare
    return next((one for one in shown if bare and one.startswith(f"{bare}.")), "")


ALIASES: Mapping[str, str] = {"receiver.move": "receiver.after", "sender": "sender.protocol", "receiver": "receiver.protocol"}


# --- from the browser ------------------------------------------------------------------------------------------------------


def given(parts: Sequence[Part], sent: Callable[[str], str | None]) -> dict[str, str]:
    """Every field's value as it was sent, whether it applies or not. A tick that was not sent is off."""
    found: dict[str, str] = {}
    for one in (one for part in parts for one in part.fields):
        value = sent(one.name)
        text = "" if value is None else value[:MAX_VALUE].replace("\r\n", "\n")
        found[one.name] = text if one.sort in (Sort.STORE, Sort.LINES, *SECRETS) else text.strip()
    return found


def settings(parts: Sequence[Part], values: Values, before: Settings | None = None, kept: Iterable[str] = ()) -> Settings:
    """The settings that these values make, over those of `before` that no field is for."""
    made = _copy(before or {})
    for one in (one for part in parts for one in part.fields if not one.aside):
        value = _read(one, values) if one.applies(values) else None
        if value is None and one.applies(values) and one.sort in SECRETS and one.name in set(kept):
            value = KEPT
        put(made, one.name, value)
    return made


def _read(one: Field, values: Values) -> Any:
    text = values.get(one.name, "")
    match one.sort:
        case Sort.TICK:
            return True if text == ON else None
        case Sort.NUMBER:
            return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else text or None
        case Sort.LINES:
            return [line.strip() for line in text.split("\n") if line.strip()] or None
        case _:
            return text or None


def put(made: Settings, name: str, value: Any) -> None:
    """Set a dotted path; None takes it away, and a table that this empties."""
    *path, last = name.split(".")
    tables = [made]
    for key in path:
        table = tables[-1].get(key)
        if not isinstance(table, dict):
            if value is None:
                return
            table = tables[-1][key] = {}
        tables.append(table)
    if value is None:
        tables[-1].pop(last, None)
    else:
        tables[-1][last] = value


# --- to the browser --------------------------------------------------------------------------------------------------------


def values(parts: Sequence[Part], made: Settings) -> tuple[dict[str, str], frozenset[str]]:
    """What the fields show of these settings, and which secrets are kept."""
    shown: dict[str, str] = {}
    kept: set[str] = set()
    for one in (one for part in parts for one in part.fields):
        value = get(made, one.name)
        if one.sort in SECRETS:
            shown[one.name] = ""
            if value == KEPT:
                kept.add(one.name)
        else:
            shown[one.name] = one.default if value is None else _text(value)
    return shown, frozenset(kept)


def get(made: Mapping[str, Any], name: str) -> Any:
    """The value at a dotted path; None when there is none."""
    found: Any = made
    for key in name.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return ON if value else ""
    return "\n".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _copy(made: Settings) -> Settings:
    return {key: _copy(value) if isinstance(value, dict) else value for key, value in made.items()}

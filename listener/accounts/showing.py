"""Accounts and profiles as the API and the console show them: JSON, durations as people write them, never a secret."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from ..config.faults import kind_of
from ..config.kept import KeptFile
from ..config.kept_fields import FILE
from ..config.values import Table, as_duration, as_size
from ..ledger import Kept

Row = dict[str, Any]


def given(kept: Kept) -> Row:
    """What a person gave, sparse, secrets as `{"set": true}`."""
    shown = _copied({"id": kept.id, **kept.settings})
    for path in kept.secrets:
        *tables, name = path.split(".")
        inner = shown
        for table in tables:
            inner = inner.setdefault(table, {})
        inner[name] = {"set": True}
    return shown


def in_force(table: Table) -> Row:
    """Everything that is in force, presets and defaults filled in; files by their path, kept contents as `given` has them."""
    shown: Row = {}
    for name, field in type(table).model_fields.items():
        value = getattr(table, name)
        if isinstance(value, KeptFile):
            is_secret = kind_of(field) == "secret file"
            shown[name.removesuffix(FILE)] = {"set": True} if is_secret else value.read_text("utf-8")
        elif value is not None:
            shown[name] = _value(value, field)
    return shown


def _value(value: Any, field: FieldInfo) -> Any:
    match value:
        case Table():
            return in_force(value)
        case tuple():
            return [_value(one, field) for one in value]
        case dict():
            return {key: _value(one, field) for key, one in value.items()}
        case StrEnum():
            return value.value
        case Path():
            return str(value)
        case float() if kind_of(field) == "duration":
            return as_duration(value)
        case int() if kind_of(field) == "size" and not isinstance(value, bool):
            return as_size(value)
    return value


def _copied(table: Row) -> Row:
    return {key: _copied(value) if isinstance(value, dict) else value for key, value in table.items()}

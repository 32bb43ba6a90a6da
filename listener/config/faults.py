"""What is wrong with a setting, in a sentence that says what to write: pydantic's errors in the words of our settings.

`validate` reads one TOML table into its model. On faults it tries again without the faulty settings, so that the checks
between settings (`checks`) can still look at the rest: all faults come at once. A value is repeated in a fault only
where it is a choice among words, never what might be a secret.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Generic, TypeVar, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from ..errors import Fault
from . import Config
from .toml_lines import Path as KeyPath
from .toml_lines import line_of
from .values import Kind, Table, as_duration, as_size

Raw = dict[str, Any]
T = TypeVar("T", bound=Table)
MAX_ROUNDS = 4  # of dropping faulty settings; unknown keys, then wrong values, then what depended on them
BOUNDS = {"greater_than_equal": ("ge", "at least"), "less_than_equal": ("le", "at most"), "greater_than": ("gt", "more than")}
SHOWN = 40  # characters of a wrong word that are repeated in a fault


@dataclass(frozen=True)
class Place:
    """Where a table stands: its file, that file's lines, and the path from there. `title` is how people write the path."""

    file: str
    lines: Mapping[KeyPath, int]
    path: KeyPath
    base: Path

    def fault(self, at: KeyPath, reason: str) -> Fault:
        """A fault of the setting `at` below this place."""
        path = self.path + at
        return Fault(dotted(path), reason, self.file, line_of(self.lines, path))

    def place(self) -> str:
        """File and line, for people."""
        line = line_of(self.lines, self.path)
        return f"{self.file}:{line}" if line else self.file


@dataclass(frozen=True)
class Read(Generic[T]):
    """A table as read. `model` is None when not even a part of it can be used; `wrong` are settings left out of it."""

    model: T | None
    faults: tuple[Fault, ...]
    wrong: frozenset[KeyPath]


def dotted(path: KeyPath) -> str:
    """`("accounts", 0, "receiver", "port")` → `accounts[0].receiver.port`."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path).lstrip(".")


def close_to(word: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """The one of `known` that was probably meant, or nothing."""
    known = list(known)
    begun = [name for name in known if len(word) > 2 and name.startswith(word)]
    found = begun[:1] or difflib.get_close_matches(word[:SHOWN], known, n=1, cutoff=cutoff)
    return found[0] if found else ""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """` Did you mean "x"?`, or nothing."""
    guess = close_to(word, known)
    return f' Did you mean "{guess}"?' if guess else ""


def validate(model: type[T], raw: Raw, place: Place, context: Mapping[str, Any], stand_ins: Raw | None = None) -> Read[T]:
    """The table as a model, with every fault of its settings. `stand_ins` replace required settings that are wrong."""
    faults: list[Fault] = []
    wrong: set[KeyPath] = set()
    left: Raw = raw
    for _ in range(MAX_ROUNDS):
        try:
            return Read(model.model_validate(left, context=dict(context)), tuple(faults), frozenset(wrong))
        except ValidationError as error:
            found = [(_setting_of(model, e["loc"]), e) for e in error.errors(include_url=False)]
        fresh = [(at, e) for at, e in found if at not in wrong and e["type"] != "default_factory_not_called"]
        told = {at for at, e in fresh if e["type"] != "too_short"}  # a list whose elements are wrong is said to be short, too
        fresh = [(at, e) for at, e in fresh if e["type"] != "too_short" or at not in told]
        faults += [place.fault(at, _sentence(model, at, e)) for at, e in fresh]
        wrong |= {at for at, _ in fresh}
        left = (stand_ins or {}) | _without(left, wrong)
        if not fresh:
            break
    return Read(None, tuple(faults), frozenset(wrong))


def _setting_of(model: type[Table], loc: KeyPath) -> KeyPath:
    """pydantic's location cut to the setting itself (not an element of its list)."""
    at, path = model, []
    for key in loc:
        path.append(key)
        field = at.model_fields.get(str(key))
        inner = table_in(field.annotation) if field else None
        if inner is None:
            break
        at = inner
    return tuple(path)


def table_in(annotation: Any) -> type[Table] | None:
    """The model of a setting that is a table, else None."""
    if get_origin(annotation) in (Union, UnionType):
        annotation = next((a for a in get_args(annotation) if a is not type(None)), None)
    return annotation if isinstance(annotation, type) and issubclass(annotation, Table) else None


def _without(raw: Raw, wrong: Iterable[KeyPath]) -> Raw:
    """A copy without these settings."""
    left = {key: dict(value) if isinstance(value, dict) else value for key, value in raw.items()}
    for at in wrong:
        table: Any = left
        for key in at[:-1]:
            table = table.get(key) if isinstance(table, dict) else None
        if isinstance(table, dict):
            table.pop(at[-1], None)
    return left


def field_at(model: type[Table], at: KeyPath) -> tuple[type[Table], FieldInfo | None]:
    """The model that holds the setting, and its field (None for an unknown one)."""
    for key in at[:-1]:
        field = model.model_fields.get(str(key))
        inner = table_in(field.annotation) if field else None
        if inner is None:
            return model, None
        model = inner
    return model, model.model_fields.get(str(at[-1])) if at else None


def _sentence(model: type[Table], at: KeyPath, error: Mapping[str, Any]) -> str:
    holder, field = field_at(model, at)
    kind, given = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return unknown_key(str(at[-1]), holder)
    if kind == "missing":
        return f"is required. {field.description if field else ''}".rstrip()
    if kind in ("enum", "literal_error"):
        return _choices(field, error.get("input"))
    if kind == "value_error":
        return str(given["error"])
    if kind == "string_pattern_mismatch":
        return f"does not have the right form. {field.description if field else ''}"
    return _bound(kind, given, field) or _type(kind) or str(error["msg"])


def unknown_key(name: str, table: type[Table]) -> str:
    """Why an unknown key is a fault and what was probably meant."""
    everywhere = {key: title for title, model in reversed(list(tables())) for key in model.model_fields}
    secrets = [key for key in everywhere if key.endswith("_file")]
    if f"{name}_file" in table.model_fields or (meant := close_to(f"{name}_file", secrets, 0.9)):
        key = f"{name}_file" if f"{name}_file" in table.model_fields else meant
        return (
            f"secrets are not written into the configuration: put it into a file of its own and write "
            f'{key} = "…" (a path, or the name of a systemd credential)'
        )
    if guess := close_to(name, table.model_fields):
        return f'is not a setting. Did you mean "{guess}"?'
    if guess := close_to(name, everywhere, 0.8):
        titles = " or ".join(title for title, model in tables() if guess in model.model_fields)
        return f'is not a setting here; "{guess}" belongs into {titles}'
    return "is not a setting; remove it (docs/configuration.md lists them all)"


def tables(model: type[Table] = Config, path: str = "") -> Iterator[tuple[str, type[Table]]]:
    """Every table with its TOML title, such as `[accounts.receiver]`, in the order of the models."""
    for name, field in model.model_fields.items():
        args = get_args(field.annotation)
        of_many = next((a for a in args if table_in(a)), None) if get_origin(field.annotation) in (tuple, dict) else None
        inner = table_in(of_many if of_many is not None else field.annotation)
        if inner is None:
            continue
        title = f"{path}.{name}".lstrip(".") + (".NAME" if get_origin(field.annotation) is dict else "")
        yield f"[[{title}]]" if get_origin(field.annotation) is tuple else f"[{title}]", inner
        yield from tables(inner, title)


def _choices(field: FieldInfo | None, value: object) -> str:
    annotation: Any = field.annotation if field else ()
    known = [str(v) for v in get_args(annotation) or annotation]
    said = ", ".join(f'"{v}"' for v in known)
    if not isinstance(value, str):
        return f"write one of {said}, in quotes"
    return f'"{_shown(value)}" is not possible; write one of {said}.{did_you_mean(value.lower(), known)}'


def _shown(value: str) -> str:
    return "".join(c if c.isprintable() else "�" for c in value[:SHOWN]) + ("…" if len(value) > SHOWN else "")


def _bound(kind: str, given: Mapping[str, Any], field: FieldInfo | None) -> str:
    if kind in ("too_short", "too_long"):
        word, limit = ("at least", "min_length") if kind == "too_short" else ("at most", "max_length")
        return f"must have {word} {given.get(limit)} of them"
    if kind not in BOUNDS:
        return ""
    key, word = BOUNDS[kind]
    return f"must be {word} {as_written(given[key], field)}"


def as_written(value: Any, field: FieldInfo | None) -> str:
    """A number in the notation of its setting: `60.0` → `"60s"`."""
    match kind_of(field):
        case "duration":
            return f'"{as_duration(value)}"'
        case "size":
            return f'"{as_size(int(value))}"'
        case _:
            return f"{value:g}" if isinstance(value, float) else str(value)


def kind_of(field: FieldInfo | None) -> str:
    """The documentation's name of a setting's type, "" where it has none."""
    found = [m for m in (field.metadata if field else ()) if isinstance(m, Kind)]
    if field and not found:
        found = [m for arg in get_args(field.annotation) for m in getattr(arg, "__metadata__", ()) if isinstance(m, Kind)]
    return found[-1].name if found else ""


def _type(kind: str) -> str:
    wanted = {
        "int": "a whole number, without quotes",
        "bool": "true or false, without quotes",
        "float": "a number, without quotes",
        "string": "text in quotes",
        "tuple": 'a list in brackets, such as ["one", "two"]',
        "model": "a table of settings",
        "dict": "a table of settings",
    }
    return f"write {wanted[kind.partition('_')[0]]}" if kind.partition("_")[0] in wanted else ""

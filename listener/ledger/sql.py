"""The named queries: every statement of the ledger stands in a .sql file, each under a line `-- name: …`.

`load("receiving")` gives the statements of sql/receiving.sql by name; `migrations()` the numbered schema scripts. Read once,
when the package is imported. A test prepares every statement against the schema and finds none unused.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from types import MappingProxyType

_MARK = "-- name: "


def load(name: str) -> Mapping[str, str]:
    """Statements by name. Raises FileNotFoundError when there is no such file."""
    text = resources.files(__package__).joinpath("sql", f"{name}.sql").read_text("utf-8")
    statements = {}
    for part in text.split(_MARK)[1:]:
        title, _, body = part.partition("\n")
        statements[title.strip()] = body.strip().rstrip(";")
    return MappingProxyType(statements)


def migrations() -> tuple[str, ...]:
    """The schema scripts in order: the first brings version 0 to 1, and so on."""
    folder = resources.files(__package__).joinpath("migrations")
    names = sorted(item.name for item in folder.iterdir() if item.name.endswith(".sql"))
    return tuple(folder.joinpath(name).read_text("utf-8") for name in names)

"""Which settings name files, and what they are called where their contents are given instead: in the API and the console.

`password_file` in a configuration file is `password` there, `truststore_file` is `truststore`; `template` keeps its name.
Found in the models, so a new setting of that kind needs no word here. Secrets can be set and never read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from .account import Account
from .faults import kind_of, table_in
from .profile import OAuthProfile
from .values import Table

FILE = "_file"


@dataclass(frozen=True, slots=True)
class KeptField:
    """`table`: where it stands; `key`: its name in the model; `name`: its name in the API; `path`: that with the table."""

    table: tuple[str, ...]
    key: str
    is_secret: bool

    @property
    def name(self) -> str:
        """`password_file` → `password`."""
        return self.key.removesuffix(FILE)

    @property
    def path(self) -> str:
        """`receiver.password`."""
        return ".".join((*self.table, self.name))

    @property
    def setting(self) -> str:
        """`receiver.password_file`."""
        return ".".join((*self.table, self.key))


@cache
def kept_fields(model: type[Account | OAuthProfile]) -> tuple[KeptField, ...]:
    """Those of accounts, or of profiles."""
    return tuple(_fields(model, ()))


def _fields(model: type[Table], above: tuple[str, ...]) -> Iterator[KeptField]:
    for name, field in model.model_fields.items():
        inner = table_in(field.annotation)
        if inner is not None:
            yield from _fields(inner, (*above, name))
        elif kind_of(field) in ("file", "secret file"):
            yield KeptField(above, name, kind_of(field) == "secret file")


def api_name(model: type[Account | OAuthProfile], setting: str) -> str:
    """A setting as the API calls it: `receiver.password_file` → `receiver.password`."""
    return next((field.path for field in kept_fields(model) if field.setting == setting), setting)


def api_words(model: type[Account | OAuthProfile], text: str) -> str:
    """A sentence about settings, in the API's names."""
    for key in {field.key for field in kept_fields(model) if field.key.endswith(FILE)}:
        text = text.replace(key, key.removesuffix(FILE))
    return text

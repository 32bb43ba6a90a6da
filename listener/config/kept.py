"""A file that is none: what a setting of an account made in the console names instead of a path.

Settings that name files (`password_file`, `truststore_file`, `template` …) hold a `Path` where a configuration file gives
them, and a `KeptFile` where the ledger keeps the contents: sealed, for secrets, else as text. Both are read anew at each use
by `open("rb")`, `read_bytes()` or `read_text()`, so whoever reads them need not ask which it is. A `KeptFile` holds no
contents itself, only how to get them, and shows nothing of them. Two are equal when name and `mark` are: the mark changes
with the contents, which is how a changed password restarts its account.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO, Literal


@dataclass(frozen=True, slots=True)
class KeptFile:
    """`name` says for people whose what it is; `read` gives the octets and may raise PermanentFailure or LedgerError."""

    name: str
    mark: str
    read: Callable[[], bytes] = field(compare=False, repr=False)

    def __str__(self) -> str:
        return f"what is kept as {self.name}"

    def open(self, mode: Literal["rb"] = "rb") -> BinaryIO:
        """As `Path.open("rb")`."""
        return io.BytesIO(self.read())

    def read_bytes(self) -> bytes:
        """As `Path.read_bytes`."""
        return self.read()

    def read_text(self, encoding: str = "utf-8") -> str:
        """As `Path.read_text`."""
        return self.read().decode(encoding)

"""Settings as a person gives them in a form or by the API, split into what may be shown and what is kept sealed.

A secret is given as text, kept as it is by `{"set": true}` or by saying nothing, and removed by null. Where the profile or the
sender's identity is used to sign in, a password that is not given anew goes by itself; so does that of a trust store that is
gone. `null` elsewhere means: left out. A draft can be made into an account at once, with its new secrets in memory only; that
is how it is tested before it is saved.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ..config import Account, OAuthProfile
from ..config.files import MAX_SECRET
from ..config.kept import KeptFile
from ..config.kept_fields import FILE, KeptField, kept_fields
from ..errors import Fault
from ..ledger import Kept, KeptKind, secret_name

Settings = dict[str, Any]
MODELS: Mapping[KeptKind, type[Account | OAuthProfile]] = {KeptKind.ACCOUNT: Account, KeptKind.PROFILE: OAuthProfile}
MAX_KEPT = 512 * 1024
"""Octets of a text that is kept: a trust store, a template."""
MAX_DEPTH = 6
"""Tables in tables; accounts have three."""


@dataclass(frozen=True, slots=True)
class Draft:
    """`settings`: without secrets. `given`: new secrets, None: removed. `kept`: what stays as it is, with its version."""

    kind: KeptKind
    id: str
    settings: Settings
    given: Mapping[str, str | None]
    kept: Mapping[str, int]
    faults: tuple[Fault, ...]


def draft(kind: KeptKind, raw: Mapping[str, Any], before: Kept | None) -> Draft:
    """What a person gave, over what is kept. Never raises: what cannot be used is in `faults`."""
    reading = _Reading(kind, dict(before.secrets) if before else {})
    settings = reading.table(raw, (), 0)
    id = settings.pop("id", before.id if before else "")
    reading.imply(settings)
    kept = {name: version for name, version in reading.kept.items() if name not in reading.given}
    return Draft(kind, id if isinstance(id, str) else "", settings, reading.given, kept, tuple(reading.faults))


@dataclass
class _Reading:
    """One draft as it is read. `kept` shrinks to what stays."""

    kind: KeptKind
    kept: dict[str, int]
    given: dict[str, str | None] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def table(self, raw: Mapping[str, Any], above: tuple[str, ...], depth: int) -> Settings:
        """The table without its secrets and without nulls."""
        fields = {f.name: f for f in kept_fields(MODELS[self.kind]) if f.table == above}
        found: Settings = {}
        for key, value in raw.items():
            path = ".".join((*above, str(key)))
            if key in fields and fields[key].is_secret:
                self._secret(path, value)
            elif str(key).endswith(FILE) and str(key).removesuffix(FILE) in fields:
                self._fault(path, f"files are named in configuration files only: give {str(key).removesuffix(FILE)} itself")
            elif key in fields and value is not None:
                found[str(key)] = value
                self._text(path, value)
            elif isinstance(value, Mapping) and depth < MAX_DEPTH:
                found[str(key)] = self.table(value, (*above, str(key)), depth + 1)
            elif value is not None:
                found[str(key)] = value
        return found

    def imply(self, settings: Settings) -> None:
        """Secrets of tables that are gone, and passwords that another way of signing in replaces, go too."""
        for name in list(self.kept):
            table = settings
            for part in name.split(".")[:-1]:
                table = table.get(part) if isinstance(table.get(part), dict) else {}  # type: ignore[assignment]
            unused = name.endswith("truststore_password") and not table.get("truststore")
            gone = ("." in name and not table) or unused
            replaced = name.endswith("password") and self.kind is KeptKind.ACCOUNT and "truststore" not in name
            if gone or (replaced and (table.get("oauth") or table.get("use_sender_identity"))):
                self.given.setdefault(name, None)

    def _secret(self, path: str, value: Any) -> None:
        if value is None or value == {"set": False}:
            if path in self.kept:
                self.given[path] = None
        elif isinstance(value, str):
            if not value.strip():
                self._fault(path, "is empty: write the secret, or leave it as it is")
            elif len(value.encode("utf-8", "replace")) > MAX_SECRET:
                self._fault(path, f"is larger than {MAX_SECRET} octets: that is no secret")
            else:
                self.given[path] = value
        elif value != {"set": True}:
            self._fault(path, 'write the secret as text, {"set": true} to leave it as it is, or null to remove it')
        elif path not in self.kept:
            self._fault(path, "none is kept yet: write it")

    def _text(self, path: str, value: Any) -> None:
        if not isinstance(value, str) or not 0 < len(value.encode("utf-8", "replace")) <= MAX_KEPT:
            self._fault(path, f"write its text, at most {MAX_KEPT} octets")

    def _fault(self, path: str, reason: str) -> None:
        self.faults.append(Fault(path, reason))


def as_table(draft: Draft, read: Callable[[str], bytes]) -> Settings:
    """The draft as a configuration file would give it: kept contents as `KeptFile`s. `read` opens a kept secret by name."""
    table = _copied(draft.settings)
    for one in kept_fields(MODELS[draft.kind]):
        inner = table
        for part in one.table:
            inner = inner.get(part) if isinstance(inner.get(part), dict) else {}  # type: ignore[assignment]
        file = _secret_file(draft, one.path, read) if one.is_secret else _text_file(draft, one, inner.pop(one.name, None))
        if file is not None:
            inner[one.key] = file
    return table | ({"id": draft.id} if draft.kind is KeptKind.ACCOUNT else {})


def _secret_file(draft: Draft, path: str, read: Callable[[str], bytes]) -> KeptFile | None:
    name = secret_name(draft.kind, draft.id, path)
    given = draft.given.get(path)
    if given is not None:
        return KeptFile(name, "new", given.encode)
    return KeptFile(name, str(draft.kept[path]), partial(read, name)) if path in draft.kept else None


def _text_file(draft: Draft, one: KeptField, text: Any) -> KeptFile | None:
    if not isinstance(text, str) or not text:
        return None
    mark = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
    return KeptFile(secret_name(draft.kind, draft.id, one.path), mark, partial(text.encode, "utf-8", "replace"))


def _copied(table: Settings) -> Settings:
    return {key: _copied(value) if isinstance(value, dict) else value for key, value in table.items()}


def saved(kind: KeptKind, kept: Kept) -> Draft:
    """What is kept, as a draft that changes nothing."""
    return Draft(kind, kept.id, dict(kept.settings), {}, kept.secrets, ())

"""Reads the configuration: files, presets, models, checks. Every fault is found and reported at once, with file and line.

`load` is called at start, by each command, and by SIGHUP (which keeps the old configuration when it raises). It reads the
main file and, where `accounts_dir` says so, one more file for each account; names of files in them are relative to the file
they stand in. Secret files are looked at (there? readable?) and not read: that happens at each sign-in.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from ..errors import ConfigurationError, Fault
from . import Account, Admin, Alerts, Command, Config, Limits, Listener, OAuthProfile, Otlp, Retention, Rule, Webhook
from . import checks as checks
from .checks import Conflict, Names
from .faults import Place, Raw, unknown_key, validate
from .files import file_faults
from .presets import fill
from .rules import rule_conflicts
from .toml_lines import locate
from .values import Table

MAX_FILE = 4_000_000
"""Octets of one configuration file; ten thousand accounts need about 3 MB."""

T = TypeVar("T", bound=Table)

_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


def load(
    path: Path,
    *,
    environment: Mapping[str, str] = os.environ,
    check_hook: Callable[[str], str | None] | None = None,
    account_trouble: Callable[[Fault], None] | None = None,
    check_files: bool = True,
) -> Config:
    """The configuration in this file, ready to use. Raises ConfigurationError with every fault.

    `check_hook` says what is wrong with a Python hook, None: nothing. `account_trouble`, where given, is told of an account's
    or profile's files that cannot be read, instead of raising them: one missing password need not stop the other accounts.
    `check_files` False leaves the files that settings name unread: who asks a running daemon need not be able to read its
    secrets.
    """
    credentials = environment.get("CREDENTIALS_DIRECTORY")
    reading = _Reading(Path(credentials) if credentials else None, check_hook)
    config = reading.read(path)
    faults = list(reading.faults)
    troubles: list[Fault] = []
    for place, table in reading.read_tables if check_files else ():
        is_account = isinstance(table, Account | OAuthProfile)
        (troubles if account_trouble and is_account else faults).extend(file_faults(table, place))
    if faults or config is None:
        order = {file: number for number, file in enumerate(reading.files)}
        faults += troubles
        raise ConfigurationError(sorted(dict.fromkeys(faults), key=lambda fault: (order.get(fault.file, 0), fault.line)))
    if account_trouble is not None:
        for trouble in troubles:
            account_trouble(trouble)
    return config


def read_account(
    table: Raw, names: Names, *, check_hook: Callable[[str], str | None] | None = None
) -> tuple[Account | None, list[Fault]]:
    """One account that stands in no file; faults name its settings only. None where nothing could be made of it."""
    reading = _Reading(None, check_hook)
    return reading.account(table, NOWHERE, names), reading.faults


def read_profile(table: Raw) -> tuple[OAuthProfile | None, list[Fault]]:
    """One authentication profile that stands in no file."""
    reading = _Reading(None, None)
    return reading.checked(OAuthProfile, table, NOWHERE, checks.oauth_conflicts), reading.faults


NOWHERE = Place("", {}, (), Path("/"))


@dataclass
class _Reading:
    """One run of `load`: what it found so far. `read_tables` are those that could be read, and where they stand."""

    credentials: Path | None
    check_hook: Callable[[str], str | None] | None
    faults: list[Fault] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    read_tables: list[tuple[Place, Table]] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)

    def read(self, path: Path) -> Config | None:
        """The whole configuration; None when something was found that leaves none. Faults are collected in any case."""
        document = self._document(path)
        if document is None:
            return None
        raw, place = document
        for key in sorted(raw.keys() - Config.model_fields.keys()):
            self.faults.append(Place(place.file, place.lines, (), place.base).fault((key,), unknown_key(key, Config)))
        listener = self._section(Listener, raw, place, "listener")
        admin = self._section(Admin, raw, place, "admin", checks.admin_conflicts)
        limits = self._section(Limits, raw, place, "limits", checks.limit_conflicts)
        retention = self._section(Retention, raw, place, "retention")
        alert_conflicts = partial(checks.alert_conflicts, list(_table(raw, "webhook")))
        alerts = self._section(Alerts, raw, place, "alerts", alert_conflicts) if "alerts" in raw else None
        otlp = self._section(Otlp, raw, place, "otlp", checks.otlp_conflicts) if "otlp" in raw else None
        oauth = self._named(OAuthProfile, raw, place, "oauth", checks.oauth_conflicts)
        webhook = self._named(Webhook, raw, place, "webhook", checks.webhook_conflicts)
        command = self._named(Command, raw, place, "command", checks.command_conflicts)
        rules = self._rules(raw, Place(place.file, place.lines, (), place.base))
        names = Names(*(frozenset(_table(raw, kind)) for kind in ("oauth", "webhook", "command")))
        tables = [*self._inline_accounts(raw, place), *self._account_files(listener, place)]
        self._same_ids(tables)
        accounts = [self.account(table, at, names) for table, at in tables]
        if listener is None or admin is None or limits is None or retention is None or None in accounts:
            return None
        config = Config(
            listener=listener,
            admin=admin,
            limits=limits,
            alerts=alerts,
            otlp=otlp,
            retention=retention,
            accounts=tuple(account for account in accounts if account),
            oauth={name: profile for name, profile in oauth.items() if profile},
            webhook={name: hook for name, hook in webhook.items() if hook},
            command={name: hook for name, hook in command.items() if hook},
            rules=rules,
        )
        config.places.update(self.places)
        return config

    # --- files ----------------------------------------------------------------------------------------------------------

    def _document(self, path: Path) -> tuple[Raw, Place] | None:
        self.files.append(str(path))
        try:
            text = _text(path)
            return tomllib.loads(text), Place(str(path), locate(text), (), path.absolute().parent)
        except tomllib.TOMLDecodeError as error:
            self.faults.append(_syntax_fault(path, str(error), text))
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            self.faults.append(Fault("", "is not UTF-8 text; save it as UTF-8", str(path), line))
        except RecursionError:
            self.faults.append(Fault("", "is nested too deeply", str(path)))
        except (OSError, ValueError) as error:
            self.faults.append(Fault("", f"cannot be read: {_why(error)}", str(path)))
        return None

    def _inline_accounts(self, raw: Raw, place: Place) -> Iterator[tuple[Raw, Place]]:
        accounts = raw.get("accounts", [])
        if not isinstance(accounts, list) or not all(isinstance(account, dict) for account in accounts):
            self.faults.append(place.fault(("accounts",), "write each account as a table of its own: [[accounts]]"))
            return
        for index, account in enumerate(accounts):
            yield account, Place(place.file, place.lines, ("accounts", index), place.base)

    def _account_files(self, listener: Listener | None, place: Place) -> Iterator[tuple[Raw, Place]]:
        if listener is None or listener.accounts_dir is None:
            return
        try:
            paths = sorted(path for path in listener.accounts_dir.iterdir() if path.suffix == ".toml")
        except OSError as error:
            reason = f"the folder {listener.accounts_dir} cannot be read: {_why(error)}"
            self.faults.append(place.fault(("listener", "accounts_dir"), reason))
            return
        for path in paths:
            document = self._document(path)
            if document is not None and "accounts" in document[0]:
                reason = "an account's own file has its keys without [[accounts]] above them, one account a file"
                self.faults.append(document[1].fault(("accounts",), reason))
            elif document is not None:
                yield document

    # --- tables ---------------------------------------------------------------------------------------------------------

    def _section(
        self, model: type[T], raw: Raw, place: Place, name: str, check: Callable[[T], Iterable[Conflict]] | None = None
    ) -> T | None:
        at = Place(place.file, place.lines, (name,), place.base)
        table = raw.get(name, {})
        if not isinstance(table, dict):
            self.faults.append(at.fault((), f"write a table: [{name}]"))
            return None
        return self.checked(model, table, at, check)

    def _named(
        self, model: type[T], raw: Raw, place: Place, kind: str, check: Callable[[T], Iterable[Conflict]]
    ) -> dict[str, T | None]:
        found: dict[str, T | None] = {}
        for name, table in _table(raw, kind).items():
            at = Place(place.file, place.lines, (kind, name), place.base)
            if isinstance(table, dict):
                found[name] = self.checked(model, table, at, check)
                self.places[f"{kind}/{name}"] = at.place()
            else:
                self.faults.append(at.fault((), f"write a table with a name: [{kind}.NAME]"))
        return found

    def checked(self, model: type[T], table: Raw, at: Place, check: Callable[[T], Iterable[Conflict]] | None) -> T | None:
        read = validate(model, table, at, self._context(at))
        self.faults += read.faults
        if read.model is None:
            return None
        self.read_tables.append((at, read.model))
        if check is not None:
            self._conflicts(check(read.model), at, read.wrong)
        return read.model

    def account(self, table: Raw, at: Place, names: Names) -> Account | None:
        stand_ins: Raw = {"id": "unnamed"} | ({} if "receiver" in table else {"receiver": {}})
        ruled = fill(table) | ({"rules": self._rules(table, at)} if "rules" in table else {})
        read = validate(Account, ruled, at, self._context(at), stand_ins)
        self.faults += read.faults
        if read.model is None:
            return None
        self.read_tables.append((at, read.model))
        self.places[f"account/{read.model.id}"] = at.place()
        self._conflicts(checks.account_conflicts(read.model, table, names), at, read.wrong)
        if self.check_hook is not None:
            self._conflicts(checks.hook_conflicts(read.model.hooks, self.check_hook), at, read.wrong)
        return read.model

    def _rules(self, table: Raw, at: Place) -> tuple[Rule, ...]:
        """The table's `rules`, each read by itself so that a fault has the line of its setting; those without faults."""
        written = table.get("rules", [])
        if not isinstance(written, list) or not all(isinstance(rule, dict) for rule in written):
            self.faults.append(at.fault(("rules",), "write each rule as a table of its own: [[rules]] or [[accounts.rules]]"))
            return ()
        rules = []
        for index, rule in enumerate(written):
            place = Place(at.file, at.lines, (*at.path, "rules", index), at.base)
            read = validate(Rule, rule, place, self._context(at))
            self.faults += read.faults
            if read.model is not None and not read.faults:
                rules.append(read.model)
        if len(rules) == len(written):
            self.faults += [at.fault(("rules", index, "name"), reason) for index, reason in rule_conflicts(rules)]
        return tuple(rules)

    def _conflicts(self, conflicts: Iterable[Conflict], at: Place, wrong: Iterable[tuple[str | int, ...]]) -> None:
        """Report what does not fit, unless it rests on a setting that is itself wrong."""
        known = set(wrong)
        for conflict in conflicts:
            rests = (conflict.at, *conflict.rests_on)
            if not any(path[: len(bad)] == bad for path in rests for bad in known):
                self.faults.append(at.fault(conflict.at, conflict.reason))

    def _same_ids(self, tables: Iterable[tuple[Raw, Place]]) -> None:
        seen: dict[str, Fault] = {}
        for table, at in tables:
            id = table.get("id")
            if not isinstance(id, str):
                continue
            here = at.fault(("id",), "")
            first = seen.setdefault(id.casefold(), here)
            if first is not here:
                self.faults.append(at.fault(("id",), f'"{id}" is the id of another account too ({first.file}:{first.line})'))

    def _context(self, at: Place) -> Mapping[str, Any]:
        return {"base": at.base, "credentials": self.credentials}


def _table(raw: Raw, name: str) -> Raw:
    found = raw.get(name, {})
    return found if isinstance(found, dict) else {}


def _text(path: Path) -> str:
    with path.open("rb") as file:
        octets = file.read(MAX_FILE + 1)
    if len(octets) > MAX_FILE:
        raise ValueError(f"it is larger than {MAX_FILE} octets")
    return octets.decode("utf-8-sig").replace("\r\n", "\n")


def _syntax_fault(path: Path, said: str, text: str) -> Fault:
    found = _PLACE.search(said)
    line = int(found[1]) if found and found[1] else text.count("\n") + 1
    return Fault("", f"is not TOML: {said[: found.start()] if found else said}", str(path), line)


def _why(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)

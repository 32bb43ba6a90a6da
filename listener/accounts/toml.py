"""An account as a configuration file would have it, and back: `listener accounts export`, and import by the API.

No secret is written. Where one is kept the setting that names its file stands there as a comment, with a sentence; what can be
shown, a trust store or a template, follows as a comment that says into which file it belongs. What is written is read back
as the same settings.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from ..config import Account
from ..config.kept_fields import kept_fields
from ..errors import ConfigurationError, Fault
from ..ledger import Kept

Row = dict[str, Any]
MAX_IMPORT = 256 * 1024
_BARE = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


def exported(kept: Kept) -> str:
    """A file for `accounts_dir`, or the inside of an `[[accounts]]`."""
    lines = [f"# Account {kept.id!r}, exported from the ledger (version {kept.version}). Its secrets are not in here:"]
    lines.append("# put each into a file of its own (mode 0600) and take the # away before the setting that names it.")
    lines.append("# Delete the account in the console before this file is used: one id in both places is a fault.")
    lines += _table({"id": kept.id, **kept.settings}, (), kept)
    return "\n".join(lines) + "\n"


def _table(table: Mapping[str, Any], above: tuple[str, ...], kept: Kept) -> Iterator[str]:
    fields = {field.name: field for field in kept_fields(Account) if field.table == above}
    inner: list[tuple[str, Any]] = []
    for key, value in table.items():
        if key in fields:
            yield from _contents(fields[key].key, f"{kept.id}-{'-'.join((*above, key))}.{_ENDING.get(key, 'txt')}", value)
        elif isinstance(value, Mapping) or (isinstance(value, list) and value and isinstance(value[0], Mapping)):
            inner.append((key, value))
        else:
            yield f"{_key(key)} = {_value(value)}"
    for name, field in fields.items():
        if field.path in kept.secrets:
            yield f'# {field.key} = "{kept.id}-{"-".join((*above, name))}"  # the secret is kept in the ledger and not exported'
    for key, value in inner:
        for one in value if isinstance(value, list) else [value]:
            title = ".".join(_key(part) for part in (*above, key))
            yield ""
            yield f"[[{title}]]" if isinstance(value, list) else f"[{title}]"
            yield from _table(one, (*above, key), kept)


_ENDING = {"truststore": "pem"}


def _contents(key: str, file: str, text: str) -> Iterator[str]:
    yield f'# {key} = "{file}"  # with these lines in it:'
    yield from (f"#   {_harmless(line)}" for line in text.splitlines())


def _harmless(line: str) -> str:
    """TOML's comments may hold no control characters but tab."""
    return "".join(c if c == "\t" or c.isprintable() else " " for c in line)


def _key(key: str) -> str:
    return key if key and set(key) <= _BARE else _value(key)


def _value(value: Any) -> str:
    """A TOML value. JSON's strings are TOML's basic strings, but for DEL and escaped surrogates, which settings never hold."""
    if isinstance(value, list):
        return f"[{', '.join(_value(one) for one in value)}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_key(key)} = {_value(one)}' for key, one in value.items())}}}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def imported(text: str) -> Row:
    """The settings in such a file, or in the one `[[accounts]]` of a whole configuration; for a form to fill in what lacks.

    Settings that name files are left out: their contents must be given. Raises ConfigurationError.
    """
    if len(text.encode("utf-8", "replace")) > MAX_IMPORT:
        raise ConfigurationError([Fault("toml", f"is larger than {MAX_IMPORT} octets")])
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigurationError([Fault("toml", f"is not TOML: {str(error)[:200]}")]) from None
    accounts = document.get("accounts")
    if isinstance(accounts, list):
        if len(accounts) != 1 or not isinstance(accounts[0], dict):
            raise ConfigurationError([Fault("toml", "has more than one account, or none: give them one by one")])
        document = accounts[0]
    return _without_files(document, ())


def _without_files(table: Row, above: tuple[str, ...]) -> Row:
    files = {field.key for field in kept_fields(Account) if field.table == above}
    return {
        key: _without_files(value, (*above, key)) if isinstance(value, dict) else value
        for key, value in table.items()
        if key not in files
    }

"""The kinds of value that settings take: durations, sizes, files, folders to move to, places on the network.

Each is an annotated type for the models in `config.py`: it reads what people write (`"5m"`, `"35MB"`), gives what code
works with (seconds as float, octets as int, an absolute path), carries its unit for the generated documentation, and
refuses anything else with a sentence that says what to write. Nothing here opens a file.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    ValidationInfo,
    WithJsonSchema,
)

from .kept import KeptFile

SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
OCTETS = {"B": 1, "KB": 1000, "MB": 1000**2, "GB": 1000**3, "KIB": 1024, "MIB": 1024**2, "GIB": 1024**3}
MAX_TEXT = 1000  # characters; no setting needs more, and errors stay readable

REQUIRED: Any = ...

_DURATION = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{1,3})?(?:ms|[smhd]))+")
_DURATION_PART = re.compile(r"([0-9.]+)(ms|[smhd])")
_SIZE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,3})?) ?([A-Za-z]{1,3})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Kind:
    """What the documentation calls a type: its name there, and how a value of it is written in TOML."""

    name: str


class Table(BaseModel):
    """One TOML table: unknown keys are faults, defaults are checked too, nothing changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, hide_input_in_errors=True)


def setting(default: Any, prose: str, *, said: str = "", example: Any = None, **constraints: Any) -> Any:
    """One setting. `default` REQUIRED: must be given; a function gets the settings before it, `said` has its result in words.

    `example` is what the example file shows. `constraints` are pydantic's `ge`, `le`, …, in seconds or octets.
    """
    more: dict[str, Any] = {"examples": [example]} if example is not None else {}
    if said:
        more["json_schema_extra"] = {"x-default": said}
    field: Any = Field
    if callable(default):
        return field(default_factory=default, description=prose, **more, **constraints)
    return field(default, description=prose, **more, **constraints)


def seconds(text: object) -> float:
    """`"1h30m"` → 5400.0. Units ms, s, m, h, d. Raises ValueError saying what to write."""
    if not isinstance(text, str) or not _DURATION.fullmatch(text):
        raise ValueError('write a duration with its unit in quotes, such as "60s", "5m" or "1h30m"')
    return sum(float(number) * SECONDS[unit] for number, unit in _DURATION_PART.findall(text))


def octets(text: object) -> int:
    """`"35MB"` → 35,000,000; `"1MiB"` → 1,048,576. Raises ValueError saying what to write."""
    found = _SIZE.fullmatch(text) if isinstance(text, str) else None
    if found is None or found[2].upper() not in OCTETS:
        raise ValueError('write a size with its unit in quotes, such as "35MB" or "512KiB"')
    return int(float(found[1]) * OCTETS[found[2].upper()])


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise ValueError("write a number, without quotes")
    return float(value)


def as_duration(value: float) -> str:
    """5400.0 → `"1h30m"`: the shortest text that `seconds` reads back."""
    left, text = round(value * 1000), ""
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, left = divmod(left, size)
        text += f"{count}{unit}" if count else ""
    return text or "0s"


def as_size(value: int) -> str:
    """35,000,000 → `"35MB"`: the largest unit that divides it."""
    for unit in ("GB", "GiB", "MB", "MiB", "KB", "KiB"):
        if value and value % OCTETS[unit.upper()] == 0:
            return f"{value // OCTETS[unit.upper()]}{unit}"
    return f"{value}B"


def _day(value: str) -> str:
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise ValueError('write a day such as "2027-01-31", in quotes') from None


def _text(value: str) -> str:
    if not value.strip():
        raise ValueError("is empty: write a value or leave the setting out")
    if _CONTROL.search(value):
        raise ValueError("has control characters (line break, NUL, tab …): remove them")
    if len(value) > MAX_TEXT:
        raise ValueError(f"is longer than {MAX_TEXT} characters")
    return value


def _name(value: str) -> str:
    return _text(value) if value else ""


def _host(value: str) -> str:
    value = value.strip().strip("[]").rstrip(".")
    if "://" in value or "/" in value or "@" in value or any(c.isspace() for c in value):
        raise ValueError('write the bare name or address of the server, such as "imap.example.com"')
    if ":" in value and not _is_address(value):
        raise ValueError("write the host without a port; the port has its own setting")
    return value


def _is_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value.partition("%")[0])
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether traffic to this host cannot leave the machine: `localhost`, 127.0.0.0/8, ::1. A name is never looked up."""
    bare = host.strip("[]").rstrip(".").lower()
    if bare == "localhost" or bare.endswith(".localhost"):
        return True
    return _is_address(bare) and ipaddress.ip_address(bare.partition("%")[0]).is_loopback


def _bind(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError('write address and port, such as "127.0.0.1:8025" or "[::1]:8025"')
    return value


def bind_address(value: str) -> tuple[str, int]:
    """`"[::1]:8025"` → `("::1", 8025)`."""
    host, _, port = value.rpartition(":")
    return host.strip("[]"), int(port)


def _address(value: str) -> str:
    local, at, domain = value.rpartition("@")
    if not at or not local or not domain or any(c.isspace() for c in value) or "<" in value:
        raise ValueError('write a bare address, such as "support@example.com"')
    return value


def _start(value: str) -> str:
    if value not in ("now", "all"):
        start_time(value)
    return value


def start_time(start: str) -> float | None:
    """When an account begins, as POSIX seconds: `now` → None, `all` → 0, `since:2026-01-01[T10:00[+01:00]]` (UTC if unsaid)."""
    if start == "now":
        return None
    if start == "all":
        return 0.0
    kind, _, date = start.partition(":")
    try:
        if kind != "since":
            raise ValueError
        moment = datetime.fromisoformat(date)
    except ValueError:
        raise ValueError('write "now", "all" or "since:" and a date, such as "since:2026-01-31"') from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _after(value: str) -> str:
    if value in ("seen", "keep", "delete") or (value.startswith("move:") and value[5:].strip()):
        return value
    raise ValueError('write "seen", "keep", "delete" or "move:" and a folder, such as "move:Processed"')


def _file(value: Any, info: ValidationInfo) -> Path | KeptFile:
    """Where the file is: absolute, else the credential of that name, else beside the file that names it."""
    if isinstance(value, KeptFile):
        return value
    if not isinstance(value, str | Path) or not str(value) or "\x00" in str(value):
        raise ValueError("write the path of a file, or the name of a credential, in quotes")
    path = Path(value).expanduser() if str(value).startswith("~") else Path(value)
    context = info.context or {}
    credentials: Path | None = context.get("credentials")
    if credentials is not None and path.name == str(value):
        for name in (path.name, LOADED_FROM_FOLDER + path.name):
            if (credentials / name).exists():
                return credentials / name
    base: Path | None = context.get("base")
    return path if base is None or path.is_absolute() else base / path


LOADED_FROM_FOLDER = "credentials_"
"""What stands before the names of a folder's files in our unit (`LoadCredential=credentials:FOLDER`, systemd.exec(5))."""

Duration = Annotated[
    float,
    BeforeValidator(seconds),
    Kind("duration"),
    WithJsonSchema({"type": "string", "pattern": f"^{_DURATION.pattern}$", "examples": ["60s", "1h30m"]}),
]
Size = Annotated[
    int,
    BeforeValidator(octets),
    Kind("size"),
    WithJsonSchema({"type": "string", "pattern": f"^{_SIZE.pattern}$", "examples": ["35MB", "512KiB"]}),
]
File = Annotated[Path, BeforeValidator(_file), Kind("file"), WithJsonSchema({"type": "string"})]
SecretFile = Annotated[Path, BeforeValidator(_file), Kind("secret file"), WithJsonSchema({"type": "string"})]
AccountFile = Annotated[Path | KeptFile, BeforeValidator(_file), Kind("file"), WithJsonSchema({"type": "string"})]
"""Of an account or profile: what is made in the console has its files in the ledger."""
AccountSecret = Annotated[Path | KeptFile, BeforeValidator(_file), Kind("secret file"), WithJsonSchema({"type": "string"})]
Folder = Annotated[Path, BeforeValidator(_file), Kind("folder"), WithJsonSchema({"type": "string"})]
Text = Annotated[str, AfterValidator(_text), Kind("text")]
Day = Annotated[str, AfterValidator(_day), Kind("day")]
Name = Annotated[str, AfterValidator(_name), Kind("text")]  # "" is: not given
Host = Annotated[Name, AfterValidator(_host), Kind("host")]
Bind = Annotated[Text, AfterValidator(_bind), Kind("address:port")]
Address = Annotated[Text, AfterValidator(_address), Kind("mail address")]
Start = Annotated[Text, AfterValidator(_start), Kind("start")]
After = Annotated[Text, AfterValidator(_after), Kind("after")]
Count = Annotated[StrictInt, Kind("number")]
Rate = Annotated[float, BeforeValidator(_number), Kind("number")]
Flag = Annotated[StrictBool, Kind("true or false")]

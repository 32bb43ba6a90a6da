"""Writes what is generated from the settings, the presets and the log events, so that documents cannot fall behind.

    python -m listener.config.docs [FOLDER]     FOLDER is the project's (default: here)

Gives `docs/configuration.md` and `config/listener.example.toml` whole, and the tables between `<!-- generated: … -->` marks
in `docs/providers.md` and `docs/operations.md`. A test holds the files to this.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterator
from enum import EnumMeta
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from ..events import EVENTS
from ..series import PREFIX, SERIES
from .faults import as_written, kind_of, tables
from .presets import Endpoint, Provider, providers
from .values import Table

ACTIVE = {
    "[listener]": {"state_dir"},
    "[[accounts]]": {"id", "address"},
    "[accounts.receiver]": {"host", "password_file"},
}
"""What the example file sets; everything else is there as a comment with its default."""

INTRODUCTION = """\
# Configuration

<!-- Written by `python -m listener.config.docs`; change the prose in listener/config. -->

One TOML file, read at start and on SIGHUP: `--config FILE`, else `$LISTENER_CONFIG`, else `listener.toml` here, else
`/etc/listener/listener.toml`. `listener check --offline` says everything that is wrong with it at once, with file and line;
`listener schema` prints its JSON Schema for editors. `config/listener.example.toml` has every setting with its default.

- Unknown keys are errors, so a misspelt setting is never silently ignored.
- Durations have a unit: `"500ms"`, `"60s"`, `"5m"`, `"1h30m"`, `"2d"`. Sizes too: `"35MB"` is 35,000,000 octets, `"1MiB"` is
  1,048,576.
- Secrets are never written into the configuration. A *secret file* is a path, or the name of a systemd credential (looked for
  in `$CREDENTIALS_DIRECTORY` first). It is read anew at each sign-in, so a rotated password needs no restart. A line end at
  its end does not count.
- Relative paths are relative to the file that they are written in.
- `provider` fills in hosts, ports, security and more where the account leaves them out ([providers](providers.md)); your own
  values always win.
- SIGHUP restarts only the accounts whose settings changed. A faulty file changes nothing; `[listener]` and `[admin]` take
  effect at the next start.
"""

EXAMPLE_HEAD = """\
# Listener's configuration, with every setting. A setting behind "#" shows its default, or an example where there is none.
# Written by `python -m listener.config.docs`; docs/configuration.md says the same as tables.
"""


def generated(root: Path) -> dict[Path, str]:
    """Every generated file of the project in this folder, with the text that it should have."""
    configuration, example = root / "docs" / "configuration.md", root / "config" / "listener.example.toml"
    marked = {
        root / "docs" / "providers.md": {"presets": presets_table()},
        root / "docs" / "operations.md": {"metrics": metrics_table(), "events": events_table()},
    }
    files = {configuration: configuration_page(), example: example_file()}
    return files | {path: with_tables(path.read_text(), marks) for path, marks in marked.items()}


def with_tables(page: str, marks: dict[str, str]) -> str:
    """The page with the text between its marks renewed. Raises ValueError when a mark is missing."""
    for name, text in marks.items():
        begin, end = f"<!-- generated: {name} -->", f"<!-- end: {name} -->"
        if begin not in page or end not in page:
            raise ValueError(f"the page has no {begin} … {end}")
        before, rest = page.split(begin, 1)
        page = f"{before}{begin}\n{text}{end}{rest.split(end, 1)[1]}"
    return page


# --- docs/configuration.md ----------------------------------------------------------------------------------------------


def configuration_page() -> str:
    """The whole page."""
    return INTRODUCTION + "".join(_section(title, model) for title, model in tables())


def _section(title: str, model: type[Table]) -> str:
    rows = [_row(name, field) for name, field in model.model_fields.items() if not _is_table(field)]
    head = f"\n## `{title}`\n\n{_prose(model)}\n\n| setting | type | default | |\n|---|---|---|---|\n"
    return head + "".join(rows)


def _row(name: str, field: FieldInfo) -> str:
    cells = (f"`{name}`", _type(field), _default(field), _bounded(field))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _bounded(field: FieldInfo) -> str:
    bounds = {
        word: getattr(m, key) for m in field.metadata for key, word in (("ge", "least"), ("le", "most")) if hasattr(m, key)
    }
    said = " to ".join(as_written(value, field).strip('"') for value in bounds.values())
    return f"{field.description} ({said})" if len(bounds) == 2 else str(field.description)


def _type(field: FieldInfo) -> str:
    annotation = _bare(field.annotation)
    if isinstance(annotation, EnumMeta):
        return ", ".join(f'`"{member.value}"`' for member in annotation)  # type: ignore[var-annotated]
    if get_origin(annotation) is Literal:
        return ", ".join(f'`"{value}"`' for value in get_args(annotation))
    if get_origin(annotation) is tuple:
        return "list of text"
    return kind_of(field)


def _bare(annotation: Any) -> Any:
    """Without `| None` and `Annotated`."""
    parts = [part for part in get_args(annotation) if part is not NoneType]
    if NoneType in get_args(annotation):
        annotation = parts[0]
    return annotation


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    said = _said(field)
    if said:
        return said
    return f"`{_toml(field.default)}`" if field.default_factory is None and field.default != "" else "none"


def _said(field: FieldInfo) -> str:
    extra = field.json_schema_extra
    return str(extra.get("x-default", "")) if isinstance(extra, dict) else ""


def _is_table(field: FieldInfo) -> bool:
    annotation = _bare(field.annotation)
    inner = get_args(annotation)[-1] if get_origin(annotation) is dict else next(iter(get_args(annotation)), annotation)
    return any(isinstance(kind, type) and issubclass(kind, Table) for kind in (annotation, inner))


def _prose(model: type[Table]) -> str:
    return " ".join((model.__doc__ or "").split())


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"{value:g}" if isinstance(value, float) else str(value)
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


# --- config/listener.example.toml ---------------------------------------------------------------------------------------


def example_file() -> str:
    """The whole file. Uncommented completely it is still TOML, with every setting once."""
    return EXAMPLE_HEAD + "".join(_example_table(title, model) for title, model in tables())


def _example_table(title: str, model: type[Table]) -> str:
    active = ACTIVE.get(title)
    text = "\n" + _comment(_prose(model)) + ("" if active else "# ") + title.replace("NAME", _name_for(title)) + "\n"
    for name, field in model.model_fields.items():
        if _is_table(field):
            continue
        mark = "" if active and name in active else "# "
        text += _comment(str(field.description)) + f"{mark}{name} = {_example(field)}\n"
    return text


def _name_for(title: str) -> str:
    return {"[oauth.NAME]": "entra", "[webhook.NAME]": "crm"}.get(title, "archive")


def _example(field: FieldInfo) -> str:
    if field.examples:
        return _toml(field.examples[0])
    default = field.default
    if default is PydanticUndefined or default is None:
        raise ValueError(f"a setting without a default needs an example: {field.description}")
    return _toml(default)


def _comment(prose: str) -> str:
    return textwrap.fill(prose, 110, initial_indent="## ", subsequent_indent="## ", break_long_words=False) + "\n"


# --- docs/providers.md, docs/operations.md ------------------------------------------------------------------------------


def presets_table() -> str:
    """Every preset, a row each."""
    rows = [_preset_row(name, provider) for name, provider in providers().items() if name != "custom"]
    head = "| `provider` | | IMAP | POP3 | SMTP | sign-in | checked |\n|---|---|---|---|---|---|---|\n"
    return head + "".join(rows)


def _preset_row(name: str, provider: Provider) -> str:
    ways = [*provider.imap, *provider.pop3]
    sign_in = ", ".join(dict.fromkeys(method.replace("_", " ") for way in ways for method in way.auth)).replace(
        "oauth", "OAuth 2.0"
    )
    graph = "; Graph" if provider.graph else ""
    places = (_places(provider.imap) + graph, _places(provider.pop3), _places(provider.smtp))
    return f"| `{name}` | {provider.name} | {' | '.join(places)} | {sign_in} | {provider.checked_on} |\n"


def _places(ways: tuple[Endpoint, ...]) -> str:
    return ", ".join(f"{way.host}:{way.port} {way.security}" for way in ways[:1]) or "none"


def events_table() -> str:
    """Every log event, a row each."""
    return "| event | what it means, what to do |\n|---|---|\n" + "".join(
        f"| `{word}` | {said} |\n" for word, said in EVENTS.items()
    )


def metrics_table() -> str:
    """Every metric, a row each."""
    return "| metric | kind | labels | what |\n|---|---|---|---|\n" + "".join(
        f"| `{PREFIX}{one.name}` | {one.kind} | {', '.join(f'`{label}`' for label in one.labels)} | {one.prose} |\n"
        for one in SERIES
    )


def uncommented(example: str) -> Iterator[str]:
    """The lines of the example with every setting switched on."""
    for line in example.splitlines():
        yield re.sub(r"^# (?=[a-z_]+ = |\[)", "", line)


def main(folder: str = ".") -> None:
    """Write them all."""
    for path, text in generated(Path(folder)).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        print(path)


if __name__ == "__main__":
    main(*sys.argv[1:2])

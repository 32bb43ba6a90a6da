"""Who may import whom (docs/architecture.md): imports go down only, and some things are said in one place only."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "listener"
LAYERS = {
    4: {"__main__", "commands", "supervisor"},
    3: {"receiver", "dispatcher", "outbox", "admin", "otlp", "notifier"},
    2: {"accounts", "ledger", "protocols", "credentials", "hooks", "parsing", "check", "preview"},
    1: {"mailbox", "message", "tokens", "cases", "responder", "rules", "status", "budget", "canary"},
    0: {"series", "errors", "config", "backoff", "telemetry", "events", "systemd"},
}
LAYER = {name: layer for layer, names in LAYERS.items() for name in names}
FREE = {"testing", "__init__"}  # for another audience: may use anything, is used by the demo only
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "testing" not in path.relative_to(PACKAGE).parts)


def top_level(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imports(path: Path) -> set[str]:
    """Absolute dotted names of everything a module imports, at any depth of the code."""
    package = ("listener", *path.relative_to(PACKAGE).parent.parts)
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            source = ".".join(part for part in (base, node.module) if part)
            found |= {f"{source}.{alias.name}" for alias in node.names}
    return found


def ours(path: Path) -> set[str]:
    names = (name.split(".") for name in imports(path) if name.startswith("listener."))
    return {parts[1] for parts in names if len(parts) > 1 and not parts[1].startswith("__v")}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_layers_below(path: Path) -> None:
    me = top_level(path)
    if me in FREE:
        return
    assert me in LAYER, f"{me} has no layer: put it into the table here and in docs/architecture.md"
    for other in ours(path) - {me}:
        if me in {"commands", "__main__"} and other == "testing":
            continue  # the demo runs the embedded server, and only the demo
        assert other in LAYER, f"{path.name} imports {other}, which has no layer"
        peers = LAYER[me] == 3
        assert LAYER[other] < LAYER[me] or (LAYER[other] == LAYER[me] and not peers), f"{me} must not import {other}"


def test_protocols_never_see_the_ledger_a_hook_or_a_case() -> None:
    for path in (PACKAGE / "protocols").rglob("*.py"):
        assert not ours(path) & {"ledger", "hooks", "cases"}, path


def test_sqlite_is_spoken_in_the_ledger_only() -> None:
    speakers = {path.relative_to(PACKAGE).parts[0] for path in MODULES if "sqlite3" in {n.split(".")[0] for n in imports(path)}}
    assert speakers <= {"ledger"}


def test_starttls_is_never_asked_without_a_context_and_verification_is_never_off() -> None:
    for path in MODULES:
        text = path.read_text()
        assert "CERT_NONE" not in text, path
        assert "_create_unverified_context" not in text, path


def test_no_module_is_called_after_nothing() -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "core", "misc"}
    assert not [path for path in MODULES if vague & set(path.with_suffix("").relative_to(PACKAGE).parts)]

"""`make audit` must not take silence for a good answer; `make` knows its tools."""

import importlib.util
import json
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SPEC = importlib.util.spec_from_file_location("audit", ROOT / "setup" / "audit.py")
audit = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(audit)

FINE = {"name": "aiohttp", "version": "3.14.5", "vulns": []}
WEAK = {"name": "idna", "version": "3.6", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3.7"]}]}
SKIPPED = {"name": "nh3", "skip_reason": "Dependency not found on PyPI and could not be audited"}


@pytest.mark.parametrize(
    ("packages", "code", "said"),
    [
        ([FINE], 0, "1 packages looked up, no weakness is known"),
        ([FINE, WEAK], 1, "idna 3.6: PYSEC-1, mended in 3.7"),
        ([FINE, SKIPPED], 2, "1 of 2 could not be looked up (nh3)"),
        ([WEAK, SKIPPED], 1, "idna 3.6"),
        ([SKIPPED] * 9, 2, "9 of 9 could not be looked up"),
    ],
)
def test_every_answer_says_what_was_found_and_how_much_was_asked(packages, code, said):
    found, lines = audit.judged("a.lock", packages)
    assert found == code
    assert said in "\n".join(lines)


@pytest.mark.parametrize(
    ("script", "code", "said"),
    [
        ('echo "ConnectionError: no route" >&2; exit 1', 2, "could not be asked: ConnectionError: no route"),
        ("exit 1", 2, "run it again where"),
        (f"echo '{json.dumps({'dependencies': [FINE]})}'", 0, "no weakness is known"),
        ("exit 0", 2, "could not be asked: it said nothing"),
    ],
)
def test_a_database_that_does_not_answer_is_a_failure(script, code, said, tmp_path, capfd):
    program = tmp_path / "pip-audit"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    assert audit.main(str(program), "a.lock") == code
    assert said in "".join(capfd.readouterr())


def test_make_knows_its_targets():
    said = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True).stdout
    for target in ("lock", "audit", "sbom", "site", "image-check", "systemd-check"):
        assert f"\n{target} " in said


def test_the_lock_is_made_from_what_the_project_is_built_with():
    (backend,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    assert f"'{backend}'" in (ROOT / "Makefile").read_text()


def test_every_page_of_the_site_is_there():
    text = (ROOT / "mkdocs.yml").read_text().split("\nnav:\n")[1]
    pages = [part for line in text.splitlines() if (part := line.strip(" -").rpartition(" ")[2]).endswith(".md")]
    assert len(pages) > 15
    assert [page for page in pages if not (ROOT / "docs" / page).is_file()] == []

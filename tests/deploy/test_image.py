"""The Dockerfile and what it installs; whether the image works, image_check.py sees by running it."""

import json
import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text()
LAST = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]
PINNED = re.compile(r"^([a-z0-9.-]+)==(\S+) \\$", re.M)


def locked(name="requirements.lock"):
    return {canonicalize_name(package): version for package, version in PINNED.findall((ROOT / name).read_text())}


def declared():
    return [Requirement(line) for line in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]]


def instruction(word):
    (found,) = re.findall(rf"^{word} (.+)$", LAST, re.M)
    return found


def test_the_lock_has_every_dependency_in_a_version_that_is_allowed():
    """Else: make lock."""
    versions = locked()
    for requirement in declared():
        version = versions.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement.name} is not in requirements.lock: make lock"
        assert requirement.specifier.contains(Version(version)), f"{requirement} and {version}: make lock"


def test_every_locked_package_has_hashes():
    for name in ("requirements.lock", "requirements-build.lock"):
        text = (ROOT / name).read_text()
        packages = re.split(r"^(?=[a-z0-9])", text, flags=re.M)[1:]
        assert packages
        assert [package.split()[0] for package in packages if not re.search(r"--hash=sha256:[0-9a-f]{64}", package)] == []


def test_the_build_backend_is_locked_too():
    (wanted,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    assert Requirement(wanted).specifier.contains(Version(locked("requirements-build.lock")["setuptools"]))


def test_only_hash_checked_wheels_are_installed_and_the_project_without_a_network():
    lines = DOCKERFILE.replace("\\\n", " ")
    installs = re.findall(r"pip (?:--python \S+ )?(?:install|wheel) ([^&\n]+)", lines)
    assert len(installs) == 4
    assert "\nARG SDISTS=:none:\n" in DOCKERFILE
    for options in installs:
        assert ("--require-hashes" in options and "--only-binary :all:" in options) or "--no-index" in options, options


def test_the_last_stage_installs_nothing_and_is_based_on_what_is_named():
    assert LAST.lstrip().startswith("FROM ${PYTHON}\n")
    assert "\nARG PYTHON=python:3.13-slim\n" in DOCKERFILE
    assert not re.search(r"pip (install|wheel)|apt-get", LAST)


def test_it_runs_as_nobody_and_is_stopped_by_sigterm():
    assert instruction("USER") == "65532:65532"
    assert instruction("STOPSIGNAL") == "SIGTERM"


def test_it_is_started_and_looked_after_in_exec_form():
    assert json.loads(instruction("ENTRYPOINT")) == ["/opt/listener/bin/listener"]
    health = instruction("HEALTHCHECK").partition("CMD ")[2]
    assert json.loads(health) == ["/opt/listener/bin/listener", "health", "--live"]


def test_only_what_the_image_is_made_of_is_sent_to_the_builder():
    ignored = (ROOT / ".dockerignore").read_text().split()
    sent = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    copied = {name for names in re.findall(r"^COPY (?!--from)(.+) /src\S*$", DOCKERFILE, re.M) for name in names.split()}
    assert "*" in ignored
    assert copied == sent
    assert all((ROOT / name).exists() for name in sent)

"""What every test may use."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))  # the tests' own modules: daemon, virtual_clock, dovecot.server …

# How long one example takes says more about the machine than about the code; work is measured where it matters.
settings.register_profile("listener", deadline=None)
settings.load_profile("listener")

CI = os.environ.get("CI") == "true"


def unavailable(reason: str) -> None:
    """Skip a test whose real server cannot be had here; under CI that is a failure."""
    if CI:
        pytest.fail(f"{reason}, and CI=true")
    pytest.skip(reason)


def needs(program: str, package: str, *, where: bool = True) -> pytest.MarkDecorator:
    """A mark: skipped where `program` is not installed; under CI, where setup/servers.sh installs `package`, it fails."""
    return pytest.mark.skipif(
        where and not CI and shutil.which(program) is None, reason=f"{program} is not installed (apt-get install {package})"
    )

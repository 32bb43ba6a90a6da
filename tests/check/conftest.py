"""An authority and the files that accounts name."""

from pathlib import Path

import pytest
import trustme

from tests.check.steps import PASSWORD


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.fixture
def files(tmp_path: Path, authority: trustme.CA) -> Path:
    (tmp_path / "password").write_text(PASSWORD + "\n")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return tmp_path

"""What is installed: nothing that the program reads at run time is left out of the wheel."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_every_data_file_is_packaged() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    patterns = settings["package-data"]["listener"]
    packaged = {path for pattern in patterns for path in (ROOT / "listener").glob(pattern)}
    files = {path for path in (ROOT / "listener").rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert {path for path in files if path.suffix != ".py"} <= packaged


def test_every_folder_with_code_is_a_package() -> None:
    folders = {path.parent for path in (ROOT / "listener").rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []

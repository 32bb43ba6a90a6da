"""Attachment names: one safe path component, whatever was sent (R-70)."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.message import filenames

NAMES = {
    "../../../etc/passwd": "passwd",
    "/": "attachment-1.bin",
    "..\\..\\x.exe": "x.exe",
    "C:\\Users\\x\\report.doc": "report.doc",
    "con.txt": "_con.txt",
    "NUL": "_NUL",
    "COM1.tar.gz": "_COM1.tar.gz",
    "lpt¹.txt": "_lpt¹.txt",
    "console.txt": "console.txt",
    "a\0b": "ab",
    "%2e%2e": "%2e%2e",
    ".htaccess": "htaccess",
    "...": "attachment-1.bin",
    "": "attachment-1.bin",
    "  report .pdf. ": "report .pdf",
    "a:b.txt": "a_b.txt",
    "photo\u202egpj.exe": "photogpj.exe",
    "line\r\nbreak.txt": "linebreak.txt",
    "re\u0301sume\u0301.pdf": "résumé.pdf",
    'what?"<>|*.txt': "what______.txt",
    "x" * 5000 + ".pdf": "x" * 146 + ".pdf",
    "é" * 200 + ".pdf": "é" * 73 + ".pdf",
    "a/\u202e": "attachment-1.bin",
}


@pytest.mark.parametrize(("name", "safe"), NAMES.items())
def test_names_are_made_safe(name: str, safe: str) -> None:
    assert filenames.safe(name) == safe


def test_a_nameless_attachment_is_numbered_by_its_kind() -> None:
    assert filenames.safe("", 3, "png") == "attachment-3.png"


@given(st.text(max_size=300) | st.text("./\\: conCON1\u202e\u0301é", max_size=200))
def test_any_text_gives_one_harmless_path_component(name: str) -> None:
    safe = filenames.safe(name)
    assert os.path.basename(safe) == safe
    assert os.path.normpath(os.path.join("/root", safe)) == f"/root/{safe}"
    assert not set(safe) & set('/\\:*?"<>|\0\n\r\x1b\u202e')
    assert 0 < len(safe.encode()) <= filenames.MAX_OCTETS
    assert safe[0] not in ". "
    assert safe[-1] not in ". "
    assert filenames.safe(safe) == safe

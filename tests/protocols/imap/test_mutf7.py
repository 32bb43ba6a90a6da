"""Folder names in modified UTF-7 (RFC 3501 §5.1.3)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.protocols.imap import mutf7

NAMES = {
    "INBOX": "INBOX",
    "Tom & Jerry": "Tom &- Jerry",
    "Entwürfe": "Entw&APw-rfe",
    "~peter/mail/日本語/台北": "~peter/mail/&ZeVnLIqe-/&U,BTFw-",
    "😀": "&2D3eAA-",
    "a&b&c": "a&-b&-c",
    "": "",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_written_as_servers_know_it(name: str) -> None:
    assert mutf7.encode(name) == NAMES[name]
    assert mutf7.decode(NAMES[name]) == name


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_every_name_comes_back(name: str) -> None:
    encoded = mutf7.encode(name)
    assert encoded.isascii()
    assert mutf7.decode(encoded) == name


@given(st.text("&-+,AZaz09 ü", max_size=40))
def test_what_is_no_modified_utf7_stays_and_never_raises(name: str) -> None:
    assert isinstance(mutf7.decode(name), str)


@pytest.mark.parametrize("broken", ["&", "&abc", "&2D0-", "&A-", "&!-"])
def test_a_broken_sequence_stays_as_it_stands(broken: str) -> None:
    assert mutf7.decode(broken) == broken

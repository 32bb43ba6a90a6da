"""Faults name their line: the scanner must find every key where it stands."""

import time
import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from listener.config.toml_lines import line_of, locate

DOCUMENT = '''\
# a comment = not a key
[listener]
state_dir = "/x"   # trailing

[[accounts]]
id = "one"
folders = [
  "A = B",   # [not.a.table]
  """many
lines = 1
""",
]
receiver.port = 993
[accounts.receiver]
host = 'it''s' # never reached by tomllib
[[accounts]]
"quoted key" = { inline = 1, other = "}" }
[accounts.receiver]
port = 1
[ oauth . "en.tra" ]
grant = "x"
'''.replace("'it''s' # never reached by tomllib", "'its'")


def test_keys_tables_and_arrays_of_tables_have_their_lines() -> None:
    lines = locate(DOCUMENT)
    assert lines["listener",] == 2
    assert lines["listener", "state_dir"] == 3
    assert lines["accounts", 0, "id"] == 6
    assert lines["accounts", 0, "receiver", "port"] == 13
    assert lines["accounts", 0, "receiver", "host"] == 15
    assert lines["accounts", 1, "quoted key"] == 17
    assert lines["accounts", 1, "receiver", "port"] == 19
    assert lines["oauth", "en.tra", "grant"] == 21


def test_text_inside_strings_and_arrays_is_no_key() -> None:
    assert ("accounts", 0, "lines") not in locate(DOCUMENT)
    assert ("not", "a", "table") not in locate(DOCUMENT)


def test_an_unknown_path_has_the_line_of_the_nearest_table() -> None:
    lines = locate(DOCUMENT)
    assert line_of(lines, ("accounts", 1, "quoted key", "inline")) == 17
    assert line_of(lines, ("accounts", 1, "receiver", "host")) == 18
    assert line_of(lines, ("nowhere",)) == 0


KEYS = st.from_regex(r"[a-z][a-z0-9_-]{0,6}", fullmatch=True)
VALUES = st.sampled_from(
    [
        '"x"',
        "1",
        "true",
        "'''a\nb = 2\n'''",
        '"""q"""',
        '["a", "b"]',
        "[\n1, # c\n2,\n]",
        '{ k = "}" }',
        '"a\\"b = 3"',
        "1979-05-27",
    ]
)


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, dict[tuple[str, str], int]]:
    """A document of several tables and, for each key, the line it was written on."""
    text, where = "", {}
    for table in draw(st.lists(KEYS, unique=True, max_size=4)):
        text += draw(st.sampled_from(["", "\n", "# note\n", "  "])) + f"[{table}]\n"
        for key in draw(st.lists(KEYS, unique=True, max_size=5)):
            where[table, key] = text.count("\n") + 1
            text += f"{key} = {draw(VALUES)}{draw(st.sampled_from(['', ' # [x]', '  ']))}\n"
    return text, where


@given(documents())
def test_every_key_that_tomllib_reads_is_found_on_the_line_it_was_written_on(document: tuple[str, dict[Any, int]]) -> None:
    text, where = document
    tomllib.loads(text)
    lines = locate(text)
    assert {path: line for path, line in lines.items() if len(path) == 2} == where


@given(st.text(alphabet="[]{}=.\"'#\n\\ ab1", max_size=200))
def test_rubbish_never_raises(text: str) -> None:
    locate(text)


def test_a_long_file_takes_linear_time() -> None:
    def seconds(text: str) -> float:
        began = time.perf_counter()
        locate(text)
        return time.perf_counter() - began

    for text in ('"' * 200_000, "a = " + "[" * 200_000, "a." * 100_000, "a = '''" + "'\n" * 100_000, "[" * 200_000):
        assert seconds(text) < 5

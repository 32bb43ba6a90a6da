"""docs/cases.md says what the code does."""

import re
from pathlib import Path

from listener.cases.words import LINKS, RULES

PAGE = (Path(__file__).parent.parent.parent / "docs" / "cases.md").read_text()


def rows(count: int) -> dict[str, str]:
    found = re.findall(r"^\| `(\w+)` \| ([^|]+) \|" + r"[^|\n]+\|" * (count - 2) + "$", PAGE, re.MULTILINE)
    return {word: said.strip() for word, said in found}


def test_every_rule_stands_in_the_table_in_its_words_and_order():
    assert list(rows(3).items()) == list(RULES.items())


def test_every_reason_of_a_link_stands_in_its_table():
    assert {word: said for word, said in rows(2).items() if word in LINKS} == dict(LINKS)

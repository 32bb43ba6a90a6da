"""Electronic business cards made readable (RFC 6350, and versions 2.1 and 3.0 of before).

`read` is called for cards among the attachments, `describe` for the text of a mail that has no other.
"""

from __future__ import annotations

import binascii

from . import charset, content_lines
from .model import Card

MAX_CARDS = 100
MAX_VALUES = 20  # addresses or numbers of one card
MAX_VALUE = 1_000


def read(text: str) -> list[Card]:
    """Every card of the text, in order, at most 100. Never raises."""
    cards: list[Card] = []
    fields: dict[str, list[str]] | None = None
    for line in content_lines.read(text):
        if line.name == "BEGIN" and line.value.upper() == "VCARD":
            fields = {}
        elif line.name == "END" and fields is not None:
            cards.append(_card(fields))
            fields = None
            if len(cards) == MAX_CARDS:
                break
        elif fields is not None:
            fields.setdefault(line.name, []).append(_value(line)[:MAX_VALUE])
    return cards


def describe(text: str) -> str:
    """The cards in a few lines each, "" when there is none."""
    return "\n\n".join(_lines(card) for card in read(text))


def _card(fields: dict[str, list[str]]) -> Card:
    def first(name: str) -> str:
        return next(iter(fields.get(name, ())), "")

    name = first("FN") or " ".join(part for part in reversed(first("N").split(";")[:2]) if part)
    return Card(
        name=name,
        organization=", ".join(part for part in first("ORG").split(";") if part),
        title=first("TITLE"),
        emails=tuple(value.removeprefix("mailto:") for value in fields.get("EMAIL", ())[:MAX_VALUES]),
        telephones=tuple(value.removeprefix("tel:") for value in fields.get("TEL", ())[:MAX_VALUES]),
        note=first("NOTE"),
    )


def _value(line: content_lines.Line) -> str:
    """Version 2.1 wrote quoted-printable in a charset of its own."""
    if "QUOTED-PRINTABLE" in (line.params.get("ENCODING", "").upper(), *line.params):
        return charset.decode(binascii.a2b_qp(line.value.encode()), line.params.get("CHARSET", ""))[0].strip()
    return line.value


def _lines(card: Card) -> str:
    head = [f"Card: {card.name}", card.title, card.organization]
    contact = [f"E-mail: {value}" for value in card.emails] + [f"Telephone: {value}" for value in card.telephones]
    return "\n".join(line for line in (*head, *contact, card.note) if line)

"""The settings of rules before cases, and of the limit on floods: `[[rules]]`, `[[accounts.rules]]`, `[accounts.flood]`.

Part of `config.py`; `listener/rules.py` judges by them, docs/rules.md explains them. What one setting cannot know alone (two
rules of one name, a rule behind one that always holds) is `rule_conflicts` and `rule_warnings`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator

from .values import REQUIRED, Count, Duration, Kind, Size, Table, Text, setting

KINDS = ("message", "auto_reply", "bounce", "delayed", "complaint", "receipt", "list", "bulk")
"""What a message can be; a test holds it to `message.model.Kind`."""
VERDICTS = ("pass", "fail", "unknown")
FLAGS = ("name_shows_address", "replies_elsewhere", "imitation")

MAX_RULES = 100
MAX_VALUES = 1_000
"""Values of one condition."""
MAX_STARS = 8
"""Stars of one pattern."""


def _one_of(known: Sequence[str]) -> AfterValidator:
    def check(value: str) -> str:
        if value not in known:
            said = ", ".join(f'"{one}"' for one in known)
            raise ValueError(f'"{value[:40]}" is not possible; write {said}')
        return value

    return AfterValidator(check)


def _address_pattern(value: str) -> str:
    if any(character.isspace() for character in value) or value.count("@") > 1 or value.endswith("@") or "<" in value:
        raise ValueError('write addresses, domains or patterns: "ann@example.com", "example.com", "*@*.example.com"')
    return _pattern(value)


def _pattern(value: str) -> str:
    if value.count("*") > MAX_STARS:
        raise ValueError(f"a pattern may have {MAX_STARS} stars")
    return value


def _extension(value: str) -> str:
    if not value.strip(".") or "*" in value or "/" in value:
        raise ValueError('write the ends of file names, such as "exe" or "tar.gz"')
    return value.strip(".").casefold()


def _media_type(value: str) -> str:
    if value.count("/") != 1:
        raise ValueError('write content types, such as "application/x-msdownload" or "video/*"')
    return _pattern(value)


def _header(value: str) -> str:
    name = value.partition(":")[0]
    if not name or not name.isascii() or any(character <= " " or character == "\x7f" for character in name):
        raise ValueError('write the name of a header field, or name and value: "X-Spam-Flag" or "X-Spam-Flag: YES"')
    return _pattern(value)


AddressPattern = Annotated[Text, AfterValidator(_address_pattern), Kind("address pattern")]
Extension = Annotated[Text, AfterValidator(_extension), Kind("extension")]
MediaType = Annotated[Text, AfterValidator(_media_type), Kind("content type")]
Header = Annotated[Text, AfterValidator(_header), Kind("header field")]
KindWord = Annotated[Text, _one_of(KINDS)]
VerdictWord = Annotated[Text, _one_of(VERDICTS)]
FlagWord = Annotated[Text, _one_of(FLAGS)]


class Conditions(Table):
    """When a rule fires: every condition that is there must hold; of a list, one value is enough. None at all: always."""

    size_over: Size | None = setting(None, "The whole message has more octets.", said="no condition", example="20MB")
    attachments_over: Count | None = setting(
        None, "It has more attachments.", said="no condition", example=30, ge=0, le=100_000
    )
    attachment_extensions: tuple[Extension, ...] | None = setting(
        None,
        "One of its attachments has a name that ends so.",
        said="no condition",
        example=["exe", "scr", "js"],
        min_length=1,
        max_length=MAX_VALUES,
    )
    attachment_types: tuple[MediaType, ...] | None = setting(
        None,
        "One of its attachments says that it is of this content type; `*` stands for anything.",
        said="no condition",
        example=["application/x-msdownload", "video/*"],
        min_length=1,
        max_length=MAX_VALUES,
    )
    sender: tuple[AddressPattern, ...] | None = setting(
        None,
        'Who it says it is from: an address, a domain (`"example.com"`, that domain alone), or a pattern with `*` for anything '
        '(`"*@*.example.com"`).',
        said="no condition",
        example=["*@example.com", "ann@example.net"],
        min_length=1,
        max_length=MAX_VALUES,
    )
    recipient: tuple[AddressPattern, ...] | None = setting(
        None,
        "One of the addresses in To, Cc and the fields of delivery, written as for `sender`.",
        said="no condition",
        example=["old-support@example.com"],
        min_length=1,
        max_length=MAX_VALUES,
    )
    subject_contains: tuple[Text, ...] | None = setting(
        None,
        "The subject holds one of these, in small letters or capitals.",
        said="no condition",
        example=["[test]", "unsubscribe me"],
        min_length=1,
        max_length=MAX_VALUES,
    )
    kind: tuple[KindWord, ...] | None = setting(
        None,
        f"What it is: {', '.join(f'`{word}`' for word in KINDS)} (docs/classification.md). Answers to our own mail are never "
        "judged by it.",
        said="no condition",
        example=["list", "bulk"],
        min_length=1,
        max_length=MAX_VALUES,
    )
    authentication: tuple[VerdictWord, ...] | None = setting(
        None,
        "The verdict on its sender: `pass`, `fail`, `unknown` (see `[accounts.trust]`).",
        said="no condition",
        example=["fail"],
        min_length=1,
        max_length=MAX_VALUES,
    )
    header: tuple[Header, ...] | None = setting(
        None,
        "It has this header field; with a value behind a colon, the field says just that, `*` standing for anything.",
        said="no condition",
        example=["X-Spam-Flag: YES"],
        min_length=1,
        max_length=MAX_VALUES,
    )
    flags: tuple[FlagWord, ...] | None = setting(
        None,
        "What is odd about its sender: `name_shows_address` (the display name holds another address), `replies_elsewhere` "
        "(Reply-To has another domain), `imitation` (a domain in letters that look like others).",
        said="no condition",
        example=["name_shows_address", "imitation"],
        min_length=1,
        max_length=MAX_VALUES,
    )

    @property
    def always(self) -> bool:
        """No condition at all."""
        return all(getattr(self, name) is None for name in type(self).model_fields)


class Rule(Table):
    """What to do with mail before it comes into a case: the first that holds, an account's own before the general ones."""

    name: Text = setting(
        REQUIRED,
        "What the rule is called in `listener explain` and `preview`.",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$",
        example="no-programs",
    )
    when: Conditions = setting(lambda given: {}, "The conditions; without any, the rule always holds.")
    then: Literal["accept", "ignore", "quarantine"] = setting(
        REQUIRED,
        "`accept`: into a case, no later rule is asked, and the sender is never held for a flood. `ignore`: no case, kept and "
        "counted. `quarantine`: held until `listener release`.",
        example="quarantine",
    )
    reason: Text = setting(
        lambda given: given.get("name", ""),
        "What people read about it in lists.",
        said="`name`",
        example="programs by mail",
        max_length=200,
    )


class Flood(Table):
    """Mail of one sender that comes faster than this is held in quarantine (`flood`) and released by itself, in order."""

    messages: Count = setting(
        15, "Messages of one sender that pass within `within`; the further ones are held. 0: none ever.", ge=0, le=1000
    )
    within: Duration = setting("10m", "The time in which they are counted, by when the server received them.", ge=1, le=86400)
    release_after: Duration = setting(
        "10m", "How long nothing must come from the sender before what is held is released, slowly.", ge=1, le=86400
    )


def rule_conflicts(rules: Sequence[Rule]) -> Iterator[tuple[int, str]]:
    """Index and sentence for each rule that cannot stand beside the others."""
    seen: set[str] = set()
    for index, rule in enumerate(rules):
        if rule.name in seen:
            yield index, f'"{rule.name}" is the name of a rule above it: explain could not tell them apart'
        seen.add(rule.name)


def rule_warnings(rules: Sequence[Rule]) -> Iterator[str]:
    """A sentence for each rule that can never fire."""
    final = always(rules)
    if final is not None:
        for rule in rules[rules.index(final) + 1 :]:
            yield f'"{rule.name}" can never fire: "{final.name}" before it always holds'


def always(rules: Sequence[Rule]) -> Rule | None:
    """The first rule without a condition: none behind it is ever asked."""
    return next((rule for rule in rules if rule.when.always), None)

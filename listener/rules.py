"""Rules before cases: what the configuration says of a message, and how fast one sender may write. No I/O.

`judge` is asked by the dispatcher for every parsed message before it is filed, and by `preview`; the rules come from `compiled`
(`[[accounts.rules]]`, then `[[rules]]`; docs/rules.md). `Pace` counts one sender's messages for the ledger, which holds what is
too much (`ledger/flood.py`).

Rules of the file
1. Order decides: the first rule whose every condition holds. Without one the message is accepted.
2. An answer to our own mail (a valid token) is never judged by its kind, and a bounce of our own mail by no rule at all:
   whoever ignores bounces must not lose the news that our answers do not arrive.
3. Everything is linear in the length of the message and of the rules: a pattern has stars, never a regular expression.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .config.rules import Conditions, Rule
from .message.flags import comparable
from .message.model import InboundMessage

MAX_TEXT = 1_000
"""Characters of a subject or of a header field that a condition looks at."""

ANSWERS = 10
"""So many times the limit on floods holds for answers to our own mail: a customer in a hurry is no flood."""

OWN_BOUNCE = "a bounce of our own mail"
RELEASED = "released by hand or after a flood"

Fields = Sequence[tuple[str, str]]
"""A header's fields in order, names in small letters."""


@dataclass(frozen=True, slots=True)
class Accept:
    """Into a case. `rule`: whose word that is, "" when no rule had one."""

    rule: str = ""


@dataclass(frozen=True, slots=True)
class Ignore:
    """No case; kept and counted."""

    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Held until somebody releases it."""

    rule: str
    reason: str


Judgement = Accept | Ignore | Quarantine


@dataclass(frozen=True, slots=True)
class Subject:
    """What is judged. `fields` gives the header when a rule asks for it; `answers`: it bears a valid token of ours."""

    message: InboundMessage
    size: int
    fields: Callable[[], Fields]
    answers: bool = False


Condition = Callable[[Subject], bool]


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule ready to be asked. `by_kind`: it looks at the kind of a message."""

    name: str
    then: str
    reason: str
    conditions: tuple[Condition, ...]
    by_kind: bool

    def holds(self, subject: Subject) -> bool:
        return all(condition(subject) for condition in self.conditions)


Rules = tuple[CompiledRule, ...]


def judge(subject: Subject, rules: Iterable[CompiledRule]) -> Judgement:
    """What the first rule that holds says. Never raises."""
    if subject.answers and subject.message.bounce is not None:
        return Accept(OWN_BOUNCE)
    for rule in rules:
        if not (rule.by_kind and subject.answers) and rule.holds(subject):
            match rule.then:
                case "ignore":
                    return Ignore(rule.name, rule.reason)
                case "quarantine":
                    return Quarantine(rule.name, rule.reason)
            return Accept(rule.name)
    return Accept()


def sender_of(message: InboundMessage) -> str:
    """Whom a message is from: the first address of From, else of Sender, else the envelope's; "" when nobody says."""
    named = next((one.address for one in (*message.from_, *message.sender) if one.address), None)
    return named or message.return_path or ""


# --- conditions ---------------------------------------------------------------------------------------------------------


def compiled(*lists: Sequence[Rule]) -> Rules:
    """The rules of these lists in order, ready to be asked."""
    return tuple(_compiled(rule) for rules in lists for rule in rules)


def _compiled(rule: Rule) -> CompiledRule:
    named = [(name, getattr(rule.when, name)) for name in Conditions.model_fields]
    conditions = tuple(_CONDITIONS[name](value) for name, value in named if value is not None)
    return CompiledRule(rule.name, rule.then, rule.reason, conditions, rule.when.kind is not None)


def _size_over(limit: int) -> Condition:
    return lambda subject: subject.size > limit


def _attachments_over(limit: int) -> Condition:
    return lambda subject: len(subject.message.attachments) > limit


def _attachment_extensions(ends: Sequence[str]) -> Condition:
    wanted = tuple(f".{end}" for end in ends)
    return lambda subject: any(one.filename.casefold().endswith(wanted) for one in subject.message.attachments)


def _attachment_types(patterns: Sequence[str]) -> Condition:
    matches = _any_of(patterns)
    return lambda subject: any(matches(one.content_type.casefold()) for one in subject.message.attachments)


def _sender(patterns: Sequence[str]) -> Condition:
    matches = addresses(patterns)
    return lambda subject: matches(sender_of(subject.message))


def _recipient(patterns: Sequence[str]) -> Condition:
    matches = addresses(patterns)

    def condition(subject: Subject) -> bool:
        message = subject.message
        return any(matches(one) for one in (*(to.address for to in (*message.to, *message.cc)), *message.delivered_to))

    return condition


def _subject_contains(words: Sequence[str]) -> Condition:
    wanted = [_plain(word) for word in words]

    def condition(subject: Subject) -> bool:
        said = _plain(subject.message.subject)
        return any(word in said for word in wanted)

    return condition


def _kind(kinds: Sequence[str]) -> Condition:
    return lambda subject: subject.message.kind.value in kinds


def _authentication(verdicts: Sequence[str]) -> Condition:
    return lambda subject: subject.message.authentication.verdict.value in verdicts


def _header(wanted: Sequence[str]) -> Condition:
    tests: dict[str, list[Callable[[str], bool]]] = {}
    for one in wanted:
        name, colon, value = one.partition(":")
        tests.setdefault(name.strip().lower(), []).append(_any_of([value.strip()]) if colon else _anything)
    return lambda subject: any(test(_plain(value)) for name, value in subject.fields() for test in tests.get(name, ()))


_FLAGS: Mapping[str, Callable[[str], bool]] = {
    "name_shows_address": lambda flag: flag.startswith("flag: the name shows another address"),
    "replies_elsewhere": lambda flag: flag.startswith("flag: replies go to another domain"),
    "imitation": lambda flag: flag.startswith("flag: ") and flag.endswith("mixes or imitates scripts"),
}


def _flags(flags: Sequence[str]) -> Condition:
    tests = [_FLAGS[flag] for flag in flags]
    return lambda subject: any(test(defect) for defect in subject.message.defects for test in tests)


_CONDITIONS: Mapping[str, Callable[..., Condition]] = {
    "size_over": _size_over,
    "attachments_over": _attachments_over,
    "attachment_extensions": _attachment_extensions,
    "attachment_types": _attachment_types,
    "sender": _sender,
    "recipient": _recipient,
    "subject_contains": _subject_contains,
    "kind": _kind,
    "authentication": _authentication,
    "header": _header,
    "flags": _flags,
}


# --- patterns -----------------------------------------------------------------------------------------------------------


def addresses(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Whether an address is one of these: addresses, domains (with or without `@` before them), or patterns with stars."""
    exact = {comparable(one) for one in patterns if "*" not in one}
    domains = {one.rpartition("@")[2] for one in exact if one.startswith("@")}
    exact = {one for one in exact if not one.startswith("@")}
    starred = [one.casefold() for one in patterns if "*" in one]
    whole = _any_of([one for one in starred if "@" in one])
    domain = _any_of([one for one in starred if "@" not in one])

    def matches(address: str) -> bool:
        if not address:
            return False
        said = comparable(address[:MAX_TEXT])
        host = said.rpartition("@")[2]
        return said in exact or host in domains or whole(said) or domain(host)

    return matches


def _any_of(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Whether a text (small letters) is one of these; `*` stands for anything."""
    exact = {_plain(pattern) for pattern in patterns if "*" not in pattern}
    starred = [_plain(pattern).split("*") for pattern in patterns if "*" in pattern]
    return lambda text: text in exact or any(_glob(pieces, text) for pieces in starred)


def _glob(pieces: Sequence[str], text: str) -> bool:
    """The pieces in order, the first at the beginning, the last at the end: each is looked for once."""
    first, *middle, last = pieces
    at, end = len(first), len(text) - len(last)
    if end < at or not text.startswith(first) or not text.endswith(last):
        return False
    for piece in middle:
        found = text.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True


def _plain(text: str) -> str:
    return " ".join(text[:MAX_TEXT].casefold().split())


def _anything(_: str) -> bool:
    return True


# --- floods -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FloodLimit:
    """So many `messages` of one sender pass `within` (seconds); what is held is released after so many seconds of quiet."""

    messages: int = 15
    within: float = 600.0
    release_after: float = 600.0


@dataclass(slots=True)
class Pace:
    """When one sender's messages came (POSIX seconds, in order), of those that passed."""

    moments: list[float] = field(default_factory=list)

    def passes(self, at: float, limit: FloodLimit) -> bool:
        """Count a message that came at this moment, unless more than the limit would have come within any such time."""
        near = [moment for moment in self.moments if abs(moment - at) < limit.within]
        insort(near, at)
        most = limit.messages
        if any(near[first + most] - near[first] < limit.within for first in range(len(near) - most)):
            return False
        insort(self.moments, at)
        return True

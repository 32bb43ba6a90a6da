"""The rules by which mail is known to be automatic, as data: a name, what follows, where it is written, and a test.

`classify` asks every rule and stores the names of those that hold; `docs/classification.md` lists them, and a test holds that
both agree. Names are stable: the ledger stores them and people search for them. Two verdicts are kept apart: `machine` (a
program wrote this) and `silent` (we must not answer by ourselves). A list member is a person to whom we must not reply.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from .bounce import ses
from .model import Address, Bounce, Kind
from .structure import Part, own_parts

MAX_HOPS: Final = 50  # RFC 5321 §6.3 counts Received fields; Postfix gives up at 50
MAX_VALUE: Final = 1000

_SOURCE: Final = files(__package__).joinpath("classify.toml")
_WORDS: Final[Mapping[str, Any]] = MappingProxyType(tomllib.loads(_SOURCE.read_text("utf-8")))
_AUTO_REPLY_SUBJECTS: Final = tuple(_WORDS["auto_reply_subjects"])
_AUTO_REPLY_HEADS: Final = frozenset(phrase[:3] for phrase in _AUTO_REPLY_SUBJECTS)
_AUTO_REPLY_ENDINGS: Final = tuple(_WORDS["auto_reply_endings"])
_CHALLENGE_SUBJECTS: Final = tuple(_WORDS["challenge_subjects"])
_DAEMONS: Final = frozenset(_WORDS["daemons"])
_SERVICES: Final = frozenset(_WORDS["services"])
_UNANSWERED: Final = tuple(_WORDS["unanswered"])
_RETURNS: Final = frozenset(_WORDS["returns"])
_COMPLAINTS: Final = ("complaint about message from", "abuse report", "email feedback report for ip")
_LIST_FIELDS: Final = frozenset(["list-id", *_WORDS["list_fields"]])
_MDN: Final = ("message/disposition-notification", "message/global-disposition-notification")
_REPORTS: Final = frozenset(["message/feedback-report", "message/delivery-status", *_MDN])


class Evidence(NamedTuple):
    """What the rules may look at: the root's fields by name, the parts outside attached messages, the sender, the bounce."""

    fields: Mapping[str, list[str]]
    types: frozenset[str]
    methods: frozenset[str]
    local: str
    senders: int
    subject: str
    bounce: Bounce | None
    delayed: bool
    notification: str
    report_type: str

    def all(self, name: str) -> list[str]:
        """Every field of that name, in order."""
        return self.fields.get(name, [])

    def has(self, name: str) -> bool:
        """Whether a field of that name says anything."""
        return any(value.strip() for value in self.all(name))


Test = Callable[[Evidence], bool]


@dataclass(frozen=True, slots=True)
class Rule:
    """When `test` holds: `machine` and `silent` follow, and the kind, unless a rule of an earlier kind holds too.

    A rule with `fields` cannot hold without one of them, and need not be asked: most mail has none.
    """

    name: str
    kind: Kind | None
    machine: bool
    silent: bool
    source: str
    test: Test
    fields: frozenset[str] = frozenset()


def gather(root: Part, bounce: Bounce | None, delayed: bool, senders: Sequence[Address]) -> Evidence:
    """Read once what the rules need. Never raises."""
    local = senders[0].address.rpartition("@")[0] if senders else root.get("from")[:MAX_VALUE].strip(' <>"')
    subject = " ".join(root.text("subject")[:MAX_VALUE].casefold().replace("’", "'").split())
    parts = own_parts(root)
    types = frozenset([part.content_type for part in parts])
    methods = frozenset([part.params["method"].lower() for part in parts if "method" in part.params])
    told = ses.read(root).kind
    fields, local = root.index, local.casefold()
    return Evidence(fields, types, methods, local, len(senders), subject, bounce, delayed, told, _report_type(root))


def first_word(value: str) -> str:
    """The value's first token, comments and parameters left out."""
    words = value[:MAX_VALUE].replace(";", " ").replace("(", " ").split()
    return words[0].lower() if words else ""


def _any_field(key: str) -> tuple[Test, frozenset[str]]:
    names = frozenset(_WORDS[key])
    return lambda e: any(first_word(value) != "no" for name in names & e.fields.keys() for value in e.fields[name]), names


def _field(*names: str) -> tuple[Test, frozenset[str]]:
    return lambda e: any(e.has(name) for name in names), frozenset(names)


def _word(name: str, *words: str) -> tuple[Test, frozenset[str]]:
    return lambda e: any(first_word(value) in words for value in e.all(name)), frozenset([name])


def _precedence(*words: str) -> tuple[Test, frozenset[str]]:
    fields = ("precedence", "x-precedence")

    def test(e: Evidence) -> bool:
        return any(first_word(value).replace("-", "_") in words for name in fields for value in e.all(name))

    return test, frozenset(fields)


_bulk_field, _BULK_FIELDS = _any_field("bulk_fields")
_precedence_list, _PRECEDENCE = _precedence("list")
_precedence_unwanted, _ = _precedence("bulk", "junk")
_AUTO_SUBMITTED: Final = frozenset(["auto-submitted"])
_SUPPRESS: Final = frozenset(["x-auto-response-suppress"])
_RETURN_PATH: Final = frozenset(["return-path"])


def _auto_submitted(e: Evidence) -> str:
    """RFC 3834 §5: what counts is the first token; of several fields any that is not `no`."""
    words = [first_word(value) for value in e.all("auto-submitted")]
    return next((word for word in words if word not in ("no", "")), "")


def _suppresses(e: Evidence) -> bool:
    wanted = {word.strip().lower() for value in e.all("x-auto-response-suppress") for word in value[:MAX_VALUE].split(",")}
    return not wanted.isdisjoint(("all", "autoreply", "oof"))


def _report_type(root: Part) -> str:
    if not root.params or "report-type" not in root.params:
        return ""
    return root.params["report-type"].lower() if "multipart/report" in root.get("content-type")[:MAX_VALUE].lower() else ""


def _is_feedback(e: Evidence) -> bool:
    return "message/feedback-report" in e.types or e.report_type == "feedback-report"


def _is_receipt(e: Evidence) -> bool:
    return not e.types.isdisjoint(_MDN) or e.report_type == "disposition-notification"


def _is_success(e: Evidence) -> bool:
    return e.bounce is None and ("message/delivery-status" in e.types or e.notification == "delivery")


def _auto_replied(e: Evidence) -> bool:
    return _auto_submitted(e) == "auto-replied"


def _auto_generated(e: Evidence) -> bool:
    return _auto_submitted(e) in ("auto-generated", "auto-notified")


def _is_bulk(e: Evidence) -> bool:
    """A campaign, not a person's answer that a CRM sent through the same service."""
    return (_bulk_field(e) or (e.has("feedback-id") and e.has("list-unsubscribe"))) and not e.has("in-reply-to")


def _precedence_bulk(e: Evidence) -> bool:
    return _precedence_unwanted(e) and not _is_list(e)


def _auto_submitted_otherwise(e: Evidence) -> bool:
    return _auto_submitted(e) not in ("", "auto-replied", "auto-generated", "auto-notified")


def _answers_invitation(e: Evidence) -> bool:
    return not e.methods.isdisjoint(("reply", "counter"))


def _is_list(e: Evidence) -> bool:
    return not _LIST_FIELDS.isdisjoint(e.fields) or _precedence_list(e)


def _own_list_subject(e: Evidence) -> bool:
    subject = e.subject
    begins = subject[:3] in _AUTO_REPLY_HEADS and subject.startswith(_AUTO_REPLY_SUBJECTS)
    return (begins or subject.endswith(_AUTO_REPLY_ENDINGS)) and not _is_list(e)


def _unanswered(e: Evidence) -> bool:
    return e.local.startswith(_UNANSWERED) or e.local.endswith(_UNANSWERED)


def _returns(e: Evidence) -> bool:
    head = e.local.replace("+", "-").replace("_", "-").replace("=", "-").split("-")
    return head[0] in _RETURNS or head[-1] in ("bounces", "bounce", "request", "owner")


def _exchange_away(e: Evidence) -> bool:
    return e.has("x-ms-exchange-inbox-rules-loop") and _suppresses(e)


def _hops(e: Evidence) -> bool:
    return len(e.all("received")) > MAX_HOPS


def _null(e: Evidence) -> bool:
    return "".join(e.all("return-path")[:1]).strip() in ("<>", "< >")


def _autoresponder_precedence(e: Evidence) -> bool:
    """Old autoresponders call themselves bulk; what is bulk in truth has an address for its bounces."""
    return _null(e) and e.bounce is None and _precedence_bulk(e)


# In the order of their kinds: what a message is, is said by the first rule with a kind that holds.
RULES: Final = (
    Rule("delivery_failed", Kind.BOUNCE, True, True, "RFC 3464 §2.3.3", lambda e: e.bounce is not None and not e.delayed),
    Rule("delivery_delayed", Kind.DELAYED, True, True, "RFC 3464 §2.3.3", lambda e: e.bounce is not None and e.delayed),
    Rule("feedback_report", Kind.COMPLAINT, True, True, "RFC 5965 §2", _is_feedback),
    Rule("feedback_notification", Kind.COMPLAINT, True, True, "Amazon SES", lambda e: e.notification == "complaint"),
    Rule("complaint_subject", Kind.COMPLAINT, True, True, "RFC 5965 §1", lambda e: e.subject.startswith(_COMPLAINTS)),
    Rule("unsubscribe_request", Kind.COMPLAINT, True, True, "RFC 2369 §3.2", *_field("x-apple-unsubscribe")),
    Rule("disposition_notification", Kind.RECEIPT, True, True, "RFC 8098 §3", _is_receipt),
    Rule("delivery_succeeded", Kind.RECEIPT, True, True, "RFC 3464 §2.3.3", _is_success),
    Rule("challenge_field", Kind.AUTO_REPLY, True, True, "peers", *_any_field("challenge_fields")),
    Rule("challenge_subject", Kind.AUTO_REPLY, True, True, "peers", lambda e: e.subject.startswith(_CHALLENGE_SUBJECTS)),
    Rule("auto_replied", Kind.AUTO_REPLY, True, True, "RFC 3834 §5", _auto_replied, _AUTO_SUBMITTED),
    Rule("auto_reply_field", Kind.AUTO_REPLY, True, True, "peers", *_any_field("auto_reply_fields")),
    Rule("precedence_auto_reply", Kind.AUTO_REPLY, True, True, "RFC 3834 §3.1.8", *_precedence("auto_reply")),
    Rule("exchange_away", Kind.AUTO_REPLY, True, True, "MS-OXCMAIL §2.1.3.2.20", _exchange_away, _SUPPRESS),
    Rule("delivered_to_autoresponder", Kind.AUTO_REPLY, True, True, "peers", *_word("delivered-to", "autoresponder")),
    Rule("auto_reply_subject", Kind.AUTO_REPLY, True, True, "peers", _own_list_subject),
    Rule("precedence_without_return", Kind.AUTO_REPLY, True, True, "RFC 3834 §3.1.8", _autoresponder_precedence, _PRECEDENCE),
    Rule("list_field", Kind.LIST, False, True, "RFC 2369 §3, RFC 2919 §3", _is_list, _LIST_FIELDS | _PRECEDENCE),
    Rule("bulk_field", Kind.BULK, True, True, "RFC 8058 §3.1", _is_bulk, _BULK_FIELDS | {"feedback-id"}),
    Rule("precedence_bulk", Kind.BULK, True, True, "RFC 3834 §2", _precedence_bulk, _PRECEDENCE),
    Rule("auto_generated", None, True, True, "RFC 3834 §5.1", _auto_generated, _AUTO_SUBMITTED),
    Rule("auto_submitted_other", None, False, True, "RFC 3834 §5.1", _auto_submitted_otherwise, _AUTO_SUBMITTED),
    Rule("generated_field", None, True, True, "peers", *_any_field("generated_fields")),
    Rule("amazon_notification", None, True, True, "peers", *_word("x-amazon-mail-relay-type", "notification")),
    Rule("null_return_path", None, True, True, "RFC 5321 §4.5.5, RFC 3834 §2", _null, _RETURN_PATH),
    Rule("sender_daemon", None, True, True, "RFC 3834 §2", lambda e: e.local in _DAEMONS),
    Rule("sender_service", None, False, True, "RFC 2142 §5, RFC 3834 §2", lambda e: e.local in _SERVICES),
    Rule("sender_unanswered", None, True, True, "peers", _unanswered),
    Rule("sender_returns", None, False, True, "RFC 3834 §2", _returns),
    Rule("sender_missing", None, False, True, "RFC 5322 §3.6.2", lambda e: e.senders == 0),
    Rule("sender_several", None, False, True, "RFC 7489 §6.6.1", lambda e: e.senders > 1),
    Rule("response_suppress", None, False, True, "MS-OXCMAIL §2.1.3.2.20", _suppresses, _SUPPRESS),
    Rule("list_unsubscribe", None, False, True, "RFC 2369 §3.2", *_field("list-unsubscribe", "list-help")),
    Rule("loop_field", None, False, True, "RFC 3834 §3.1.8", *_field("x-loop", "x-loops")),
    Rule("errors_to", None, False, True, "RFC 2076 §3.5", *_field("errors-to")),
    Rule("failed_recipients", None, True, True, "peers", *_field("x-failed-recipients")),
    Rule("report", None, True, True, "RFC 6522 §3", lambda e: bool(e.report_type) or "message/delivery-status" in e.types),
    Rule("hop_count", None, False, True, "RFC 5321 §6.3", _hops),
    Rule("calendar_reply", None, False, True, "RFC 5546 §3.2.3", _answers_invitation),
    Rule("marked_spam", None, False, True, "peers", *_word("x-spam-flag", "yes")),
)  # fmt: skip

# What a person's mail is asked: nothing of a rule whose fields are not there.
_WITHOUT_FIELDS: Final = tuple(rule for rule in RULES if not rule.fields or rule.fields == _RETURN_PATH)
# Rules that cannot hold for a letter from one sender.
OF_REPORTS: Final = frozenset((
    "delivery_failed", "delivery_delayed", "delivery_succeeded", "feedback_report", "feedback_notification",
    "disposition_notification", "sender_missing", "sender_several", "report", "calendar_reply",
))  # fmt: skip
_OF_LETTERS: Final = tuple(rule for rule in _WITHOUT_FIELDS if rule.name not in OF_REPORTS)
_ASKED_FIELDS: Final = frozenset().union(*(rule.fields for rule in RULES)) - _RETURN_PATH


def asked(evidence: Evidence) -> tuple[Rule, ...]:
    """The rules that may hold, in the order of `RULES`."""
    present = evidence.fields.keys()
    if _ASKED_FIELDS.isdisjoint(present):
        return _OF_LETTERS if is_letter(evidence) else _WITHOUT_FIELDS
    return tuple(rule for rule in RULES if not rule.fields or not rule.fields.isdisjoint(present))


def is_letter(e: Evidence) -> bool:
    """Text and files from one sender, no report or answer of a program."""
    told = e.bounce is not None or e.notification or e.report_type or e.methods
    return not told and e.senders == 1 and _REPORTS.isdisjoint(e.types)

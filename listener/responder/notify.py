"""What a notification says: one mail about one message, or about many together.

    account   id, name, address
    notices   each: case, is_new, subject, requester, sender, at, text, url ("" without `public_url`)

The people it goes to are the account's own, so they see what the sender wrote; headers still get safe words only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from .compose import is_safe
from .templates import AccountView, Source, compiled, rendered

MAX_TEXT = 4_000
"""Characters of a message's text that a notification shows."""
MAX_SUBJECT = 150
BUILT_IN = "notify.txt"
SETTING = "notify.template"


@dataclass(frozen=True, slots=True)
class NoticeView:
    """A message in a case, as the template sees it."""

    case: str
    is_new: bool
    subject: str
    requester: str
    sender: str
    at: str
    text: str = ""
    url: str = ""


def built_in() -> Source:
    """The template for who writes none."""
    return Source(SETTING, "", files(__package__).joinpath(BUILT_IN).read_text("utf-8"))


def subject_of(account: AccountView, notices: Sequence[NoticeView]) -> str:
    """One line, fit for a header."""
    if len(notices) > 1:
        said = f"{len(notices)} messages in {len({notice.case for notice in notices})} cases"
    else:
        said = f"{'New case' if notices[0].is_new else 'Case'} {notices[0].case}: {notices[0].subject}"
    line = f"[{account.name}] {' '.join(said.split())}"
    return "".join(c if is_safe(c) else "\N{REPLACEMENT CHARACTER}" for c in line)[:MAX_SUBJECT]


def text_of(source: Source, account: AccountView, notices: Sequence[NoticeView]) -> str:
    """The mail's text. Raises TemplateFault."""
    return rendered(compiled(source, escape=False), {"account": account, "notices": list(notices)}, source)


def check(source: Source) -> None:
    """Render a sample of one notice and of many. Raises TemplateFault."""
    one = NoticeView(
        "ABCDEFGHIJKLM", True, "A question", "a@example.com", "a@example.com", "2026-01-01T00:00:00+00:00", "Hello."
    )
    for notices in ([one], [one, one]):
        text_of(source, AccountView("support", "Support", "support@example.com"), notices)

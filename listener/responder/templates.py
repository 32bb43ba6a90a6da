"""What an acknowledgement says: Jinja2 templates, rendered in a sandbox with a view of case, account and message.

    case      id, tag (what stands in the subject), subject, requester, status
    account   id, name, address
    message   subject, from_name, from_address, date, text
    verified  whether the sender's domain vouched for the message

A sender who is not verified may be anybody's name on anybody's letter, so everything that the sender wrote is empty in the view
that the template gets then: no template can echo it (R-83). Unknown names are errors, found when `load` renders a sample.
Templates cannot include files, and what they may call is what Jinja2's sandbox lets them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_TEMPLATE = 64 * 1024
"""Characters of a template."""
MAX_RENDERED = 256 * 1024
"""Characters of what comes out of it."""
MAX_QUOTED = 20_000
"""Characters of a verified sender's own text that a template sees."""
BUILT_IN = "acknowledge.txt"


class TemplateFault(Exception):
    """A template that cannot be used. `setting`: which of the account's, `file`: where it stands ("" for the built-in one)."""

    def __init__(self, setting: str, file: str, reason: str) -> None:
        self.setting, self.file, self.reason = setting, file, reason
        super().__init__(f"{setting}: {f'{file}: ' if file else ''}{reason}")


@dataclass(frozen=True, slots=True)
class CaseView:
    """The case as a template sees it."""

    id: str
    tag: str
    subject: str = ""
    requester: str = ""
    status: str = "open"


@dataclass(frozen=True, slots=True)
class AccountView:
    """The account as a template sees it."""

    id: str
    name: str
    address: str


@dataclass(frozen=True, slots=True)
class MessageView:
    """The message as a template sees it; all empty where its sender is not verified."""

    subject: str = ""
    from_name: str = ""
    from_address: str = ""
    date: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """All that a template sees."""

    case: CaseView
    account: AccountView
    message: MessageView
    verified: bool

    def names(self) -> dict[str, Any]:
        """The template's variables."""
        return {"case": self.case, "account": self.account, "message": self.message, "verified": self.verified}


def view(case: CaseView, account: AccountView, message: MessageView, *, verified: bool) -> View:
    """What a template gets to see. Nothing a sender wrote is in it unless the sender is verified."""
    if verified:
        seen = MessageView(message.subject, message.from_name, message.from_address, message.date, message.text[:MAX_QUOTED])
        return View(case, account, seen, True)
    return View(CaseView(case.id, case.tag, status=case.status), account, MessageView(), False)


@dataclass(frozen=True, slots=True)
class Source:
    """A template as it was read: which setting names it, from where, and its text."""

    setting: str
    file: str
    text: str


def built_in() -> Source:
    """The template for who writes none."""
    return Source("accounts.reply.template", "", files(__package__).joinpath(BUILT_IN).read_text("utf-8"))


@dataclass(frozen=True, slots=True)
class Templates:
    """An account's templates, compiled and tried. Made by `load`."""

    text: Template
    html: Template | None
    sources: tuple[Source, ...]

    def render(self, seen: View) -> tuple[str, str | None]:
        """Text and HTML. Raises TemplateFault."""
        html = None if self.html is None else rendered(self.html, seen.names(), self.sources[-1])
        return rendered(self.text, seen.names(), self.sources[0]), html


def load(text: Source, html: Source | None = None) -> Templates:
    """Compile them and render a sample of each kind of sender. Raises TemplateFault for the first that cannot be used."""
    plain = compiled(text, escape=False)
    sources = (text,) if html is None else (text, html)
    templates = Templates(plain, None if html is None else compiled(html, escape=True), sources)
    for verified in (True, False):
        templates.render(sample(verified=verified))
    return templates


def sample(*, verified: bool) -> View:
    """A view with something in every name."""
    case = CaseView("ABCDEFGHIJKLM", "[#ABCDEFGHIJKLM-ABCDEFGHIJ]", "A question", "alice@example.com")
    message = MessageView("A question", "Alice", "alice@example.com", datetime(2026, 1, 1, tzinfo=UTC).isoformat(), "Hello.")
    return view(case, AccountView("support", "Support", "support@example.com"), message, verified=verified)


def compiled(source: Source, *, escape: bool) -> Template:
    """Ready to be rendered, in a sandbox where unknown names are errors. Raises TemplateFault."""
    if len(source.text) > MAX_TEMPLATE:
        raise TemplateFault(source.setting, source.file, f"is longer than {MAX_TEMPLATE} characters")
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=escape, keep_trailing_newline=True)
    try:
        return environment.from_string(source.text)
    except TemplateError as error:
        raise TemplateFault(source.setting, source.file, _said(error)) from error


def rendered(template: Template, names: Mapping[str, Any], source: Source) -> str:
    """What comes out of it. Raises TemplateFault."""
    pieces: list[str] = []
    length = 0
    try:
        for piece in template.generate(**names):
            length += len(piece)
            if length > MAX_RENDERED:
                raise TemplateFault(source.setting, source.file, f"makes more than {MAX_RENDERED} characters")
            pieces.append(piece)
    except TemplateFault:
        raise
    except Exception as error:  # a template may divide by zero, compare what has no order …: it is somebody's program
        raise TemplateFault(source.setting, source.file, _said(error)) from error
    text = "".join(pieces)
    if not text.strip():
        raise TemplateFault(source.setting, source.file, "makes an empty message")
    return text


def _said(error: Exception) -> str:
    line = getattr(error, "lineno", None)
    return f"{f'line {line}: ' if line else ''}{error or type(error).__name__}"[:300]

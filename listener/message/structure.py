"""What a message is made of: one tree of parts, each with its fields and where its octets lie (RFC 2045, 2046).

Made by `tree.read`; every reader of a message (text, attachments, kind, bounce, authentication) works on it. Headers keep
their order, doubled ones too. Nothing is transfer-decoded before someone asks for `content`, which never raises.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from . import encoded_words, fields, parameters, transfer


@dataclass(slots=True, eq=False)
class Part:
    """One node: a leaf, a `multipart/*` container, or a message inside a message.

    `headers` are in order, names lower-cased, values unfolded text without RFC 2047 decoding. `content_type` is lower case.
    `children` of a `message/rfc822` (`is_message`) is that message's own root, whose `headers` are the inner message's; of what
    an S/MIME signature wraps (`is_smime`) the part that was signed.
    """

    headers: fields.Fields
    content_type: str
    params: Mapping[str, str]
    raw: bytes = field(repr=False)
    start: int = 0
    end: int = 0
    children: list[Part] = field(default_factory=list)
    _index: dict[str, list[str]] | None = field(default=None, repr=False)
    _disposition: tuple[str, Mapping[str, str]] | None = None
    _content: bytes | None = field(default=None, repr=False)

    def get(self, name: str, default: str = "") -> str:
        """The first field of that (lower-case) name, undecoded, or `default`."""
        values = (self._index or self.index).get(name)
        return values[0] if values else default

    def get_all(self, name: str) -> list[str]:
        """Every field of that (lower-case) name in order, undecoded."""
        return (self._index or self.index).get(name, [])

    @property
    def index(self) -> Mapping[str, list[str]]:
        """The fields by name, those of one name in order."""
        if self._index is None:
            self._index = {}
            for key, value in self.headers:
                if key in self._index:
                    self._index[key].append(value)
                else:
                    self._index[key] = [value]
        return self._index

    def text(self, name: str) -> str:
        """The first field of that name as text for people: RFC 2047 decoded, no control characters."""
        return encoded_words.decode(self.get(name))

    @property
    def is_message(self) -> bool:
        return self.content_type in ("message/rfc822", "message/global")

    @property
    def is_multipart(self) -> bool:
        return self.content_type.startswith("multipart/")

    @property
    def is_smime(self) -> bool:
        """Whether S/MIME encrypted it or wrapped it into a signature (RFC 8551 §3.9: some say so by the name alone)."""
        if self.content_type == "application/octet-stream":
            return self.filename.lower().endswith(".p7m")
        return self.content_type in ("application/pkcs7-mime", "application/x-pkcs7-mime")

    @property
    def may_hold_parts(self) -> bool:
        """Whether there may be parts within it."""
        return not self.content_type.startswith("text/") and (self.is_multipart or self.is_message or self.is_smime)

    @property
    def charset(self) -> str:
        """The declared charset, as written, or ""."""
        return self.params.get("charset", "")

    @property
    def disposition(self) -> str:
        """`inline`, `attachment`, another token, or "" where none is declared."""
        return self._content_disposition()[0]

    @property
    def filename(self) -> str:
        """The name the sender gave, decoded but not yet safe (`filenames.safe`), or ""."""
        return self._content_disposition()[1].get("filename") or self.params.get("name") or self.params.get("file") or ""

    @property
    def content_id(self) -> str | None:
        """Content-ID without `<>`, or None."""
        return self.get("content-id").strip().removeprefix("<").removesuffix(">") or None

    @property
    def octets(self) -> bytes:
        """The body as it stands in the message, still transfer-encoded."""
        return self.raw[self.start : self.end]

    @property
    def content(self) -> bytes:
        """The body's octets, transfer-decoded; kept after the first reading. Never raises."""
        if self._content is None:
            self._content = transfer.decode(self.octets, self.get("content-transfer-encoding"))
        return self._content

    def walk(self) -> Iterator[Part]:
        """This part and all below it, in document order, messages inside messages too."""
        waiting = [self]
        while waiting:
            part = waiting.pop()
            yield part
            waiting.extend(reversed(part.children))

    def _content_disposition(self) -> tuple[str, Mapping[str, str]]:
        if self._disposition is None:
            declared = self.get("content-disposition")
            self._disposition = parameters.parse(declared) if declared else ("", {})
        return self._disposition


def own_parts(root: Part) -> list[Part]:
    """The parts that are not inside an attached message; that one itself too. In document order."""
    if not root.children:
        return [root]
    found: list[Part] = []
    waiting = [root]
    while waiting:
        part = waiting.pop()
        found.append(part)
        if part.children and (not part.is_message or part is root):
            waiting.extend(reversed(part.children))
    return found

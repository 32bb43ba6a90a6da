"""RFC 2047 encoded words, as they should be and as they are."""

import pytest

from listener.message.encoded_words import decode

WORDS = {
    "base64": ("=?utf-8?B?R3LDvMOfZQ==?=", "Grüße"),
    "quoted-printable": ("=?iso-8859-1?Q?Gr=FC=DFe_an_alle?=", "Grüße an alle"),
    "among plain text": ("Re: =?utf-8?q?caf=C3=A9?= now", "Re: café now"),
    "neighbours lose the blank between them": ("=?utf-8?q?caf=C3?= =?utf-8?q?=A9?=", "café"),
    "neighbours in two charsets": ("=?utf-8?q?a?= =?iso-8859-1?q?=E9?=", "aé"),
    "character cut between words": ("=?utf-8?B?4pg=?= =?utf-8?B?hQ==?=", "★"),
    "blank before plain text stays": ("=?utf-8?q?a?= b", "a b"),
    "glued to text": ("x=?utf-8?q?=C3=A9?=y", "xéy"),
    "blanks inside": ("=?utf-8?Q?two words?=", "two words"),
    "no padding": ("=?utf-8?B?R3LDvMOfZQ?=", "Grüße"),
    "language": ("=?utf-8*de?Q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
    "no end": ("=?utf-8?Q?caf=C3=A9", "café"),
    "unknown charset": ("=?x-nonsense?Q?caf=C3=A9?=", "café"),
    "wrong charset": ("=?us-ascii?Q?caf=C3=A9?=", "café"),
    "alias": ("=?ks_c_5601-1987?B?x9G9yg==?=", "한십"),
    "Japanese as Microsoft writes it": ("=?iso-2022-jp?B?GyRCLSEbKEI=?=", "①"),
    "unknown encoding stays": ("=?utf-8?X?abc?=", "=?utf-8?X?abc?="),
    "no word at all": ("2 =? 3", "2 =? 3"),
    "line breaks in it": ("=?utf-8?Q?a=0D=0ABcc:_x?=", "a Bcc: x"),
    "NUL in it": ("=?utf-8?Q?a=00b?=", "ab"),
    "empty": ("=?utf-8?Q??=", ""),
    "question mark before the end": ("=?utf-8?Q?What=3F?=", "What?"),
}


@pytest.mark.parametrize(("value", "text"), WORDS.values(), ids=WORDS)
def test_words_become_text(value: str, text: str) -> None:
    assert decode(value) == text

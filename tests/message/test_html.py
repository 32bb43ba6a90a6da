"""HTML mail as text, and HTML that is safe to show."""

import time

import pytest

from listener.message import html, safe_html

TEXTS = {
    "paragraphs": ("<p>One</p><p>Two</p>", "One\n\nTwo"),
    "breaks": ("One<br>Two<br/><br>Three", "One\nTwo\n\nThree"),
    "blocks": ("<div>One</div><div>Two</div>", "One\nTwo"),
    "blanks": ("<p>\n  One \n  two&nbsp;three </p>", "One two three"),
    "inline markup": ("<p>One <b>two</b><i>three</i></p>", "One twothree"),
    "bullets": ("<ul><li>One</li><li>Two</li></ul>", "- One\n- Two"),
    "numbers": ("<ol><li>One<li>Two</ol>", "1. One\n2. Two"),
    "lists in lists": ("<ul><li>One<ul><li>Two</ul></ul>", "- One\n\n  - Two"),
    "table": ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td><td>d</td></tr></table>", "a\tb\nc\td"),
    "quote": (
        "<p>Yes</p><blockquote>One<br>Two<blockquote>Three</blockquote></blockquote>",
        "Yes\n\n> One\n> Two\n>\n> > Three",
    ),
    "link": ('<a href="https://example.com/x">Click</a> here', "Click <https://example.com/x> here"),
    "link that says its target": ('<a href="https://www.example.com/">example.com</a>', "example.com"),
    "link to nowhere": ('<a href="javascript:x()">Click</a>', "Click"),
    "picture": ('<img src="x.png" alt="A cat">', "[A cat]"),
    "tracking pixel": ('One<img src="x.png" alt="">', "One"),
    "entities": ("&lt;b&gt; &amp; &euro; &#8364; &#x20ac;", "<b> & € € €"),
    "huge reference": ("a&#99999999999999999999;b", "a\ufffd;b"),
    "preformatted": ("<pre>a\n  b\n\nc</pre>", "a\n  b\n\nc"),
    "preformatted among other text": ("<p>One <b>two</b>\nthree<pre>a\nb</pre>", "One two three\n\na\nb"),
    "comment around a style": ("<!-- <style> -->One<style>p{}</style>Two", "OneTwo"),
    "style and script": ("<style>p{}</style><script>alert(1)</script>One", "One"),
    "letters whose lower case is longer": ("İİİ<STYLE>p{}</STYLE>One", "İİİOne"),
    "style in capitals": ("<STYLE>p{}</STYLE>One", "One"),
    "style never closed": ("<style>One", "One"),
    "head": ("<html><head><title>No</title></head><body>One</body></html>", "One"),
    "comment": ("One<!-- no -->Two<!--[if mso]>no<![endif]-->", "OneTwo"),
    "comment never closed": ("One<!-- no", "One"),
    "hidden": ('One<div style="display: none">no<div>no</div></div>Two', "OneTwo"),
    "bracket in an attribute": ('<p title="a > b">One</p>', "One"),
    "attribute never closed": ('<p title="a>One</p>', "One"),
    "comparison": ("<p>a < b and c > d</p>", "a < b and c > d"),
    "no markup": ("just text", "just text"),
    "nothing": ("", ""),
}


@pytest.mark.parametrize(("markup", "text"), TEXTS.values(), ids=TEXTS)
def test_markup_becomes_text_that_reads_well(markup: str, text: str) -> None:
    assert html.to_text(markup) == text


BOMBS = [
    "<div>",
    "<",
    "<a ",
    '<a "',
    "<!--",
    "<style>",
    "<blockquote>",
    "&amp",
    "<ol><li>x",
    "<![",
    "<?",
    "</!",
    "<a '\"",
    '<p style="display:none">',
    "<b>",
    "<td>",
]


@pytest.mark.parametrize("bomb", BOMBS)
def test_any_repetition_takes_linear_time(bomb: str) -> None:
    started = time.process_time()
    html.to_text(bomb * (400_000 // len(bomb)))
    safe_html.safe_html(bomb * (100_000 // len(bomb)))
    assert time.process_time() - started < 5


DANGERS = {
    "script": "<script>alert(1)</script>",
    "handler": '<p onclick="alert(1)">x</p>',
    "javascript link": '<a href="JaVaScRiPt:alert(1)">x</a>',
    "data link": '<a href="data:text/html,<script>alert(1)</script>">x</a>',
    "frame": '<iframe src="https://evil.example/"></iframe>',
    "picture from elsewhere": '<img src="https://evil.example/p.png">',
    "picture without a scheme": '<img src="//evil.example/p.png">',
    "svg": '<svg><use href="https://evil.example/x.svg#a"/></svg>',
    "svg as data": '<img src="data:image/svg+xml,<svg onload=alert(1)>">',
    "style sheet": "<style>@import url(https://evil.example/x.css)</style>",
    "background": '<p style="background:url(https://evil.example/x.png)">x</p>',
    "background color by url": '<p style="background-color:url(https://evil.example/x.png)">x</p>',
    "escaped style": r'<p style="color:\75rl(https://evil.example)">x</p>',
    "form": '<form action="https://evil.example/"><input name="password"></form>',
    "meta refresh": '<meta http-equiv="refresh" content="0;url=https://evil.example/">',
    "base": '<base href="https://evil.example/">',
    "object": '<object data="https://evil.example/"></object>',
    "source set": '<img srcset="https://evil.example/p.png 2x">',
    "table background": '<table background="https://evil.example/p.png"><tr><td>x</td></tr></table>',
    "over the page": '<div style="position:fixed;top:0">x</div>',
}


@pytest.mark.parametrize("markup", DANGERS.values(), ids=DANGERS)
def test_nothing_runs_loads_or_leaves_its_place(markup: str) -> None:
    safe = safe_html.safe_html(markup).lower()
    for danger in ("evil.example", "script", "alert", "<form", "<input", "<iframe", "<style", "svg", "position", "url("):
        assert danger not in safe


def test_ordinary_mail_stays_readable() -> None:
    markup = '<p style="color: red">Hello <b>you</b> <img src="cid:a@b"> <a href="https://example.com/">there</a></p>'
    safe = safe_html.safe_html(markup)
    assert 'style="color: red"' in safe or 'style="color:red"' in safe
    assert '<img src="cid:a@b">' in safe
    assert 'href="https://example.com/"' in safe
    assert 'rel="noopener noreferrer nofollow"' in safe


def test_what_is_too_tangled_to_clean_is_shown_as_text() -> None:
    assert safe_html.safe_html("<div>" * 10_000 + "x<y") == "<pre>x&lt;y</pre>"


@pytest.mark.parametrize(
    ("markup", "tractable"),
    [
        ("<div>" * safe_html.MAX_TREE_DEPTH, True),
        ("<div>" * (safe_html.MAX_TREE_DEPTH + 1), False),
        ("<b>" * safe_html.MAX_OPEN_FORMATTING, True),
        ("<b>" * (safe_html.MAX_OPEN_FORMATTING + 1), False),
        ("<p>" * 10_000, True),
        ("<div></div>" * 10_000, True),
        ("x" * (html.MAX_HTML + 1), False),
    ],
)
def test_tree_builders_are_kept_from_what_slows_them_down(markup: str, tractable: bool) -> None:
    assert safe_html.tractable(markup) is tractable

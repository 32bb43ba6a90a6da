"""What browsers may do with our answers: one strict set of headers for each kind of answer.

A handler's own headers win; whatever it leaves out is filled in from the set of its kind when the answer is sent.
"""

from __future__ import annotations

from collections.abc import Mapping

SAFETY: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox",
}
"""On everything that is no page. Raw mail is served too, so nothing of it may ever be run or framed by a browser."""

PAGE: Mapping[str, str] = {
    "Referrer-Policy": "same-origin",  # with no-referrer browsers send `Origin: null` with our own forms
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; frame-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
}
"""On the console's pages: only what we serve ourselves, no inline script or style."""

MAIL: Mapping[str, str] = {
    "X-Frame-Options": "SAMEORIGIN",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data: cid:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox"
    ),
}
"""On a message's own HTML (R-71): shown in a frame of ours, runs nothing, loads nothing, has no origin. A link opens apart."""

"""Under which names we may be reached, and whether a browser's request comes from a page of ours.

A page on the Internet can let its own name point to 127.0.0.1 (DNS rebinding) and so have a browser talk to us as to itself;
therefore the Host header must name us: a loopback name, the address of `[admin] bind`, or the host of `public_url`. An address
in figures cannot be rebound, so where we listen on every address each of them is ours.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..config import Admin
from ..config.values import bind_address, is_loopback

_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9._-]{1,255}))(?::[0-9]{1,5})?")

FROM_US = frozenset({"same-origin", "none"})
"""`Sec-Fetch-Site` of a page of ours, and of what a person typed or reloaded (Fetch Metadata §2.3)."""


@dataclass(frozen=True, slots=True)
class Places:
    """`secure`: browsers come by https, through `public_url` or TLS of our own."""

    hosts: frozenset[str]
    every_address: bool
    public_origin: str
    secure: bool

    @classmethod
    def of(cls, settings: Admin) -> Places:
        """Where these settings say that we are."""
        public = urlsplit(settings.public_url or "")
        bound = bind_address(settings.bind)[0].lower()
        hosts = {name for name in (bound, (public.hostname or "").lower()) if name}
        origin = f"{public.scheme}://{public.netloc}".lower() if public.netloc else ""
        return cls(frozenset(hosts), _is_every(bound), origin, settings.cert_file is not None or public.scheme == "https")

    def is_ours(self, host: str) -> bool:
        """Does the Host header name us?"""
        name = host_name(host)
        return bool(name) and (name in self.hosts or is_loopback(name) or (self.every_address and _is_address(name)))

    def from_ours(self, headers: Mapping[str, str]) -> bool:
        """Does a request that changes something come from a page of ours, as far as the browser says?"""
        site = headers.get("Sec-Fetch-Site")
        if site is not None:
            return site in FROM_US
        origin = headers.get("Origin")
        if origin is None:
            return True  # an old browser or no browser: the CSRF token decides
        scheme, _, place = origin.lower().partition("://")
        of_this_request = scheme in ("http", "https") and place == headers.get("Host", "").lower()
        return of_this_request or origin.lower() == self.public_origin


def host_name(host: str) -> str:
    """The name in a Host header, without its port; empty when there is none."""
    found = _HOST.fullmatch(host)
    return (found[1] or found[2]).lower().rstrip(".") if found else ""


def local_path(wanted: str) -> str:
    """The path if it leads to a page of ours, else "/": never to another host, however it is written."""
    plain = wanted.isascii() and wanted.isprintable() and " " not in wanted and "\\" not in wanted
    if not plain or not wanted.startswith("/") or wanted.startswith("//") or len(wanted) > MAX_PATH:
        return "/"
    return "/" if wanted.partition("?")[0] in ("/login", "/logout") else wanted


MAX_PATH = 2_000
"""Characters of a path that a person is brought back to."""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True


def _is_every(bound: str) -> bool:
    return _is_address(bound) and ipaddress.ip_address(bound.partition("%")[0]).is_unspecified

"""How a verb's answer is sent: JSON with the next page's address, CSV, a raw message, or an attachment for saving."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from aiohttp import web

from ..ledger import Row
from .message_verbs import Download
from .paging import MAX_LIMIT, Listed
from .routes import FORMAT, BadRequest, Route

MAX_CSV_ROWS = 100_000
"""Rows of one CSV file."""
RAW = "message/rfc822"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula (R-73)."""

Ask = Callable[..., Awaitable[Any]]


async def send(request: web.Request, route: Route, verb: Ask, arguments: Mapping[str, Any]) -> web.StreamResponse:
    """Run the verb and send what it answers. Raises what the verb raises."""
    wanted = request.query.get(FORMAT, "json") if route.is_list and route.method == "GET" else "json"
    if wanted == "csv":
        return await _csv(request, route, verb, arguments)
    if wanted != "json":
        raise BadRequest(f"no such format: {wanted[:40]!r}; there are json, csv", field=FORMAT)
    result = await verb(**arguments)
    if isinstance(result, bytes):
        return _raw(result, request.match_info["entry"])
    if isinstance(result, Download):
        return download(result)
    answer = web.json_response(result)
    if isinstance(result, Listed) and result.next is not None:
        answer.headers["Link"] = f'<{next_page(request, result.next)}>; rel="next"'
    return answer


def next_page(request: web.Request, cursor: str) -> str:
    """Path and query of the page that begins there: the same filters, the new place (RFC 8288)."""
    kept = [(name, value) for name, value in request.query.items() if name not in ("cursor", "before")]
    return f"{request.rel_url.raw_path}?{urlencode([*kept, ('cursor', cursor)])}"


def _raw(octets: bytes, entry: str) -> web.Response:
    headers = {"Content-Type": RAW, "Content-Disposition": f'attachment; filename="message-{entry}.eml"'}
    return web.Response(body=octets, headers=headers)


def download(file: Download) -> web.Response:
    """For saving, whatever a stranger says it is (R-71)."""
    headers = {"Content-Type": "application/octet-stream", "Content-Disposition": disposition(file.filename)}
    return web.Response(body=file.octets, headers=headers)


def disposition(filename: str) -> str:
    """`attachment` with the name for old and for new browsers (RFC 6266 §4.3, RFC 8187)."""
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\%' else "_" for c in filename) or "file"
    encoded = quote(filename.encode("utf-8", "replace"), safe="")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}"


async def _csv(request: web.Request, route: Route, verb: Ask, arguments: Mapping[str, Any]) -> web.StreamResponse:
    """The list as a file, page by page; `limit` bounds all of it."""
    whole = {name: value for name, value in arguments.items() if name != "limit"}
    paged = "cursor" in route.query
    rows: Listed | list[Row] = await verb(**whole, **({"limit": MAX_LIMIT} if "limit" in route.query else {}))
    headers = {"Content-Type": "text/csv; charset=utf-8", "Content-Disposition": disposition(f"{route.verb}.csv")}
    answer = web.StreamResponse(headers=headers)
    await answer.prepare(request)
    columns = list(rows[0]) if rows else []
    sent = 0
    await answer.write(csv_text([columns] if columns else []))
    while rows:
        await answer.write(csv_text([[row.get(name) for name in columns] for row in rows]))
        sent += len(rows)
        following = rows.next if isinstance(rows, Listed) else None
        if not paged or following is None or sent >= MAX_CSV_ROWS:
            break
        rows = await verb(**{**whole, "cursor": following, "limit": MAX_LIMIT})
    await answer.write_eof()
    return answer


def csv_text(rows: Iterable[Sequence[Any]]) -> bytes:
    """RFC 4180 lines. A cell that a spreadsheet would take for a formula begins with ' instead (R-73)."""
    file = io.StringIO(newline="")
    csv.writer(file, quoting=csv.QUOTE_ALL).writerows([[cell(value) for value in row] for row in rows])
    return file.getvalue().encode("utf-8", "replace")


def cell(value: Any) -> str:
    """One cell's text."""
    if value is None:
        return ""
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.startswith(_FORMULA) else text

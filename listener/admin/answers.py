"""How a verb's answer is sent: JSON with the next page's address, CSV, a raw message, or an attachment for saving."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing, suppress
from typing import Any
from urllib.parse import quote, urlencode

from aiohttp import web

from ..errors import ListenerError
from ..ledger import Row
from .message_verbs import Download
from .paging import MAX_LIMIT, Listed
from .routes import FORMAT, BadRequest, Route

MAX_CSV_ROWS = 100_000
"""Rows of one CSV file."""
RAW = "message/rfc822"
STREAM = "application/x-ndjson"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula (R-73)."""

Ask = Callable[..., Any]
"""A verb: a coroutine function, or an async generator of rows."""


async def send(request: web.Request, route: Route, verb: Ask, arguments: Mapping[str, Any]) -> web.StreamResponse:
    """Run the verb and send what it answers. Raises what the verb raises."""
    wanted = request.query.get(FORMAT, "json") if route.is_list and route.method == "GET" else "json"
    if wanted == "csv":
        return await _csv(request, route, verb, arguments)
    if wanted != "json":
        raise BadRequest(f"no such format: {wanted[:40]!r}; there are json, csv", field=FORMAT)
    if route.media == STREAM:
        return await _stream(request, verb(**arguments))
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


async def _stream(request: web.Request, rows: AsyncGenerator[Row]) -> web.StreamResponse:
    """One JSON object a line, each as it comes. What can be refused is refused before the answer begins."""
    async with aclosing(rows):
        row = await anext(rows, None)
        answer = web.StreamResponse(headers={"Content-Type": STREAM, "X-Accel-Buffering": "no"})
        await answer.prepare(request)
        with suppress(ConnectionError):  # nobody listens any more: the rows end with this block
            while row is not None:
                await answer.write(json.dumps(row).encode() + b"\n")
                row = await _next(rows)
            await answer.write_eof()
        return answer


async def _next(rows: AsyncGenerator[Row]) -> Row | None:
    """The next row; a fault once the answer has begun is its last one."""
    try:
        return await anext(rows, None)
    except ListenerError as error:
        return {"done": True, "ok": False, "said": str(error)}


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

"""The first page: is mail coming in, how fast, what is in trouble and what to do about it, what expires soon."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from aiohttp import web
from markupsafe import Markup

from ...status import AccountState
from ..health import TROUBLED, account_row
from .charts import curve
from .desk import Desk
from .expiring import expiring
from .sampler import Sampler, Trend

MOST_TROUBLED = 10
"""Accounts in trouble that the page lists; the list of accounts has the others."""
NEWEST = 8
"""Messages and cases that it shows."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with its course."""

    name: str
    value: str
    unit: str
    said: str
    chart: Markup


class OverviewPages:
    """Handlers, and the sampler's task."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._sampler = Sampler(desk.health, desk.metrics, desk.health.monotonic)

    def routes(self) -> list[web.RouteDef]:
        """Where they are served."""
        return [web.get("/", self._show)]

    async def sampling(self, app: web.Application) -> AsyncIterator[None]:
        """Samples while the application runs."""
        task = asyncio.create_task(self._sampler.run(), name="sampler")
        yield
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    async def _show(self, request: web.Request) -> web.StreamResponse:
        health = self._desk.health
        newest = await self._desk.list("messages", {"limit": str(NEWEST)})
        cases = await self._desk.list("cases", {"limit": str(NEWEST)})
        statuses = list(health.statuses())
        troubled = [status for status in statuses if status.state in TROUBLED or status.missing_folders]
        clock = health.monotonic()
        profiles = await self._desk.accounts(request).profiles() if self._desk.verbs.accounts_desk else []
        return await self._desk.page(
            request, "overview.html", summary=health.summary(), reasons=[*health.not_live(), *health.not_ready()],
            figures=self._figures(), minutes=self._sampler.minutes(), states=_states(health.states()), accounts=len(statuses),
            troubled=[account_row(status, None, clock) for status in troubled[:MOST_TROUBLED]],
            more=max(0, len(troubled) - MOST_TROUBLED),
            expiring=expiring(statuses, profiles, self._desk.rendering.now()),
            rows=newest.rows, cases=cases.rows, totals=await self._desk.totals(),
        )  # fmt: skip

    def _figures(self) -> list[Figure]:
        sampler = self._sampler
        rate, latency, lag, failures = sampler.messages_a_minute(), sampler.latency(), sampler.lag(), sampler.failures()
        measured = [value for value in latency.values if value is not None]
        return [
            _figure("Messages a minute", rate, "stored in the last minute", "ok"),
            Figure(
                "Latency", f"{measured[-1]:.1f}" if measured else "none yet", "s" if measured else "",
                "from the server's receipt until it was handed on",
                curve(latency.values, _in_words("Latency in seconds", latency)),
            ),
            _figure("Lag", lag, "on servers and not here yet", "warn" if lag.last else ""),
            _figure("Failures", failures, "of sessions, hooks, messages, a minute", "bad" if any(failures.values) else ""),
        ]  # fmt: skip


def _figure(name: str, trend: Trend, said: str, tone: str) -> Figure:
    return Figure(name, f"{trend.last or 0:,.0f}", "", said, curve(trend.values, _in_words(name, trend), tone))


def _in_words(name: str, trend: Trend) -> str:
    """What the curve says, for those who can't see it."""
    values = [value for value in trend.values if value is not None]
    if not values:
        return f"{name}: nothing measured yet"
    return f"{name}: now {values[-1]:,.1f}, at most {max(values):,.1f} in the time shown"


def _states(states: Mapping[AccountState, int]) -> list[tuple[str, int]]:
    return [(state.value, number) for state, number in states.items() if number]

"""Restate at the same work: the services that its server calls, an ASGI application.

`Songs` makes a song; `Listeners` is a virtual object, whose key is a listener: it makes one song
after the other for each of them. Five steps, each in Restate's journal before the next one begins.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Any

import aiohttp
import django
import restate
from django.conf import settings

django.setup()

from benchmarks.app import work  # noqa: E402

songs = restate.Service("Songs")
listeners = restate.VirtualObject("Listeners")


@songs.handler()
async def make(ctx: restate.Context, song_id: int) -> None:
    await make_song(ctx, song_id)


@listeners.handler("make")
async def make_in_turn(ctx: restate.ObjectContext, song_id: int) -> None:
    await make_song(ctx, song_id)


async def make_song(ctx: Any, song_id: int) -> None:
    """Database work goes to the loop's threads, which keep their connections."""
    order = await ctx.run_typed("check-credits", partial(work.check_credits, song_id))
    if order["credits"] < 1:
        return
    began = order["started_at"]
    await ctx.run_typed("set-processing", partial(work.set_processing, song_id, began))

    async def call() -> dict[str, Any]:
        return await fetch(order["body"])

    reply = await ctx.run_typed("call-endpoint", call)
    await ctx.run_typed("update-song", partial(work.update_song, song_id, reply))
    await ctx.run_typed("deduct-credits", partial(work.deduct_credits, song_id))


async def fetch(body: dict[str, Any]) -> dict[str, Any]:
    """It waits for the answer without a thread."""
    timeout = aiohttp.ClientTimeout(total=60)
    async with session().post(settings.BENCH_ENDPOINT, json=body, timeout=timeout) as response:
        response.raise_for_status()
        return await response.json()


served = restate.app([songs, listeners])


async def app(
    scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
) -> None:
    prepare()
    await served(scope, receive, send)


@cache
def prepare() -> None:
    """The loop's own threads, once the loop is there."""
    threads = ThreadPoolExecutor(int(os.environ["BENCH_THREADS"]))
    asyncio.get_running_loop().set_default_executor(threads)


@cache
def session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

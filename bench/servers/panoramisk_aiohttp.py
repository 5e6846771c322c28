"""The flow on panoramisk's FastAGI application, on uvloop; the hook through aiohttp.

As its users have it: panoramisk brings no HTTP client, and aiohttp keeps connections by itself.
"""

from __future__ import annotations

import sys

import uvloop

from bench.programs import AIOHTTP
from bench.servers import flow
from bench.servers.panoramisk_uvloop import serve

sys.path.append(str(AIOHTTP))

import aiohttp


async def main() -> None:
    """Accept calls until killed."""
    hook = flow.read_arguments().hook or ""
    async with aiohttp.ClientSession() as session:

        async def submit(digits: str) -> str:
            async with session.post(hook, json=flow.submission(digits)) as answer:
                return flow.forward_number(await answer.read())

        await serve(submit)


if __name__ == "__main__":
    uvloop.run(main())

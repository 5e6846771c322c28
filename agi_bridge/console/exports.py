"""Exports of one record: made by another process, kept for some minutes, fetched by who asked.

An export computes for as long as the chain is, so it is no work for the service's process. It
contains personal data in full: only the person who asked may fetch it, and it is deleted soon.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog
from starlette.responses import FileResponse, RedirectResponse, Response

from agi_bridge.console.pages import page
from agi_bridge.console.records import acting
from agi_bridge.console.refusal import Refusal

if TYPE_CHECKING:
    from starlette.requests import Request

    from agi_bridge.console.service import Exported, Service

KEPT_SECONDS: Final = 600.0
"""How long an export can be fetched."""
MOST: Final = 4
"""Exports that are made at once: each computes."""
OF_ONE: Final = 2
"""The same for one person: nobody keeps the others from theirs."""
KEPT: Final = 4
"""Exports of one person that are kept: of more, the oldest is deleted, for each has a file."""
_AGAIN_SECONDS: Final = 2
"""How soon a page that waits for its export asks again."""


@dataclass(slots=True)
class _Job:
    """An export that somebody asked for."""

    record: str
    name: str
    task: asyncio.Task[Exported]


class Exports:
    """The pages of exports. Belongs to one event loop.

    Args:
        service: makes them.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._jobs: dict[str, _Job] = {}

    async def close(self) -> None:
        """Delete every export, and end those that are being made."""
        making = [job.task for job in self._jobs.values() if not job.task.done()]
        for key in list(self._jobs):
            self._drop(key)
        if making:
            await asyncio.wait(making)

    async def begin(self, request: Request) -> Response:
        """Have a record exported; the ledger records for whom."""
        visitor = acting(request)
        making = [job for job in self._jobs.values() if not job.task.done()]
        if len(making) >= MOST or sum(job.name == visitor.name for job in making) >= OF_ONE:
            text = "Others are being made. Try again when one of them is ready."
            raise Refusal(429, "Too many exports at once", text)
        made = [
            key for key, job in self._jobs.items() if job.name == visitor.name and job.task.done()
        ]
        for old in made[: max(0, len(made) - KEPT + 1)]:
            self._drop(old)
        record, key = request.path_params["record"], secrets.token_urlsafe(16)
        task = asyncio.create_task(self._service.export(record, visitor.name), name="export")
        self._jobs[key] = _Job(record, visitor.name, task)
        asyncio.get_running_loop().call_later(KEPT_SECONDS, self._drop, key)
        structlog.get_logger().info(
            "console.acted", name=visitor.name, act="export", consent=record
        )
        return RedirectResponse(f"/exports/{key}", 303)

    async def show(self, request: Request) -> Response:
        """Show how far it is, and then its verdicts."""
        job = self._job(request)
        done = job.task.done()
        answer = page(
            request,
            "export.html",
            key=request.path_params["key"],
            record=job.record,
            done=done,
            exported=job.task.result() if done else None,
            minutes=round(KEPT_SECONDS / 60),
        )
        if not done:
            answer.headers["Refresh"] = str(_AGAIN_SECONDS)
        return answer

    async def fetch(self, request: Request) -> Response:
        """The file."""
        job = self._job(request)
        file = job.task.result().file if job.task.done() else None
        if file is None:
            raise Refusal(404, "No export", "It is not made yet, or could not be.")
        return FileResponse(
            file, media_type="application/zip", filename=f"consent-{job.record}.zip"
        )

    def _job(self, request: Request) -> _Job:
        """The export of a request, for the person who asked for it.

        Raises:
            Refusal: it is somebody else's, or was deleted.
        """
        visitor = acting(request)
        job = self._jobs.get(request.path_params["key"])
        if job is None or job.name != visitor.name:
            raise Refusal(404, "No export", "It was deleted, or another person asked for it.")
        return job

    def _drop(self, key: str) -> None:
        job = self._jobs.pop(key, None)
        if job is None:
            return
        job.task.cancel()
        if job.task.done() and not job.task.cancelled() and job.task.exception() is None:
            job.task.result().delete()

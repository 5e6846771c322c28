"""Settings: each value in force and where it comes from, the doctor's last run, and reload."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import structlog

from agi_bridge.console.pages import page
from agi_bridge.console.records import acting
from agi_bridge.settings import DEFAULT, values_in_force

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from agi_bridge.console.service import Service


class SettingsPage:
    """The page of the configuration in force.

    Args:
        service: whose configuration.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    async def show(self, request: Request) -> Response:
        """Show the configuration in force."""
        return await self._show(request, None)

    async def reload(self, request: Request) -> Response:
        """Read the configuration again; a wrong one leaves this one in force."""
        visitor = acting(request)
        structlog.get_logger().info("console.acted", name=visitor.name, act="reload")
        return await self._show(request, await self._service.reload())

    async def _show(self, request: Request, reloaded: Mapping[str, Any] | None) -> Response:
        settings = self._service.settings
        values = await asyncio.to_thread(values_in_force, settings, os.environ)
        tables: dict[str, list[Any]] = {}
        for each in values:
            tables.setdefault(each.key.rpartition(".")[0], []).append(each)
        live = await self._service.live()
        return page(
            request,
            "settings.html",
            tables=tables,
            chosen=[each for each in values if each.source != DEFAULT],
            file=settings.file,
            fingerprint=settings.sha256[:12],
            stale=live.status["config"]["stale"],
            loaded_at=live.status["config"]["loaded_at"],
            reloaded=reloaded,
            doctor=await asyncio.to_thread(self._service.doctor_report),
        )

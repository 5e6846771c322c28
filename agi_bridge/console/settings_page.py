"""Settings: each value in force and where it comes from, the doctor's last run, and reload."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import structlog
from starlette.responses import RedirectResponse, Response

from agi_bridge.console.kept import Kept
from agi_bridge.console.pages import page
from agi_bridge.console.records import acting
from agi_bridge.settings import DEFAULT, values_in_force

if TYPE_CHECKING:
    from starlette.requests import Request

    from agi_bridge.console.service import Service


class SettingsPage:
    """The page of the configuration in force.

    Args:
        service: whose configuration.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._reloads = Kept[Mapping[str, Any]]()

    async def show(self, request: Request) -> Response:
        """Show the configuration in force, and what became of a reload."""
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
            reloaded=self._reloads.get(
                request.state.visitor, request.query_params.get("reload", "")
            ),
            doctor=await asyncio.to_thread(self._service.doctor_report),
        )

    async def reload(self, request: Request) -> Response:
        """Read the configuration again; a wrong one leaves this one in force."""
        visitor = acting(request)
        structlog.get_logger().info("console.acted", name=visitor.name, act="reload")
        key = self._reloads.keep(visitor, await self._service.reload())
        return RedirectResponse(f"/settings?reload={key}", 303)

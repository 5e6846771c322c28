"""The HTTP server for web and status: deadlines and limits, inside the service's event loop.

uvicorn with deadlines and limits that suit a process which serves callers first. It knows neither
settings nor what is served: `web` and `status` each give it an application.
"""

from agi_bridge.http_server.connections import MAX_BODY_BYTES
from agi_bridge.http_server.listener import HttpListener

__all__ = ["MAX_BODY_BYTES", "HttpListener"]

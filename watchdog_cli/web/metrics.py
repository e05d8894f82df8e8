"""The metrics at the page's own address, for those who scrape it anyway."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from watchdog_cli.core.errors import ConfigError
from watchdog_cli.sinks.metrics import CONTENT_TYPE
from watchdog_cli.wiring.metrics import MetricsReader

if TYPE_CHECKING:
    from watchdog_cli.web.views import Views
    from watchdog_cli.wiring.page import PagePlan


def metrics_view(views: "Views", plan: "PagePlan") -> Callable[[Request], Awaitable[Response]]:
    """The route; it speaks of the watchdog whose page this is."""
    reader = MetricsReader(lambda: [plan.places])

    async def metrics(request: Request) -> Response:
        views.may_read(request)
        try:
            text = await asyncio.to_thread(reader.read)
        except ConfigError as error:  # the extra is not installed where the page was started
            return JSONResponse({"error": str(error)}, 501)
        return Response(text, headers={"content-type": CONTENT_TYPE})

    return metrics

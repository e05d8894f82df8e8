"""The metrics at the page's own address, for those who scrape it anyway."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

if TYPE_CHECKING:
    from watchdog_cli.web.views import Views
    from watchdog_cli.wiring.page import PagePlan


def metrics_view(views: "Views", plan: "PagePlan") -> Callable[[Request], Awaitable[Response]]:
    """The route."""
    del plan

    async def metrics(request: Request) -> Response:
        views.may_read(request)
        return JSONResponse({"error": "not here yet"}, 501)

    return metrics

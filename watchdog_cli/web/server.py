"""Put the page together and serve it until somebody ends it."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from types import FrameType

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from watchdog_cli.web.access import Access
from watchdog_cli.web.guard import Guard
from watchdog_cli.web.keepalive import KeepAlive
from watchdog_cli.web.metrics import metrics_view
from watchdog_cli.web.views import Refused, Views
from watchdog_cli.wiring.page import PagePlan

REQUEST_S = 15.0  # chosen: how long a connection may take to say what it wants
UNREAD_S = 15.0  # chosen: how long it may take nothing of what it is sent
THREADS = 32  # each action waits in one until it is done
MOST_CONNECTIONS = 600
STOP_S = 3  # what is still being answered then is cut off


class PatientProtocol(H11Protocol):
    """HTTP that waits for nobody for ever: neither for a request, nor for somebody to read what was asked for."""

    _patience: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait_or_not()

    def data_received(self, data: bytes) -> None:
        """Take what came, and go on waiting if it was not all of a request."""
        super().data_received(data)
        self._wait_or_not()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        for timer in (self._patience, self._unread):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Too much is on its way to the caller already."""
        super().pause_writing()
        self._unread = self.loop.call_later(UNREAD_S, self.transport.abort)

    def resume_writing(self) -> None:
        """It has taken enough for more."""
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
        super().resume_writing()

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _wait_or_not(self) -> None:
        if not self._is_idle():
            if self._patience is not None:
                self._patience.cancel()
                self._patience = None
        elif self._patience is None:
            self._patience = self.loop.call_later(REQUEST_S, self._lose_patience)

    def _lose_patience(self) -> None:
        self._patience = None
        if self._is_idle() and not self.transport.is_closing():
            self.transport.close()


class Ending:
    """The order to end, by a signal: taken from the first moment on, also before there is anything to end."""

    def __init__(self) -> None:
        self._asked: list[int] = []
        self._obey: Callable[[int], None] | None = None
        for name in ("SIGINT", "SIGTERM", "SIGBREAK", "SIGHUP"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del frame
        self._asked.append(number)
        if self._obey is not None:
            self._obey(number)

    @contextlib.contextmanager
    def obeyed(self, obey: Callable[[int], None]) -> Generator[None, None, None]:
        """Hand each order to ``obey``, the one that came before too; afterwards there is nothing left to end."""
        self._obey = obey
        if self._asked:
            obey(self._asked[0])
        try:
            yield
        finally:
            self._obey = None


class Server(uvicorn.Server):
    """Ends its streams when it is told to end, for they would hold it up for ever; sleeps while nobody asks."""

    def __init__(self, config: uvicorn.Config, views: Views, ending: Ending) -> None:
        super().__init__(config)
        self._views = views
        self._ending = ending
        self._told_to_end = asyncio.Event()

    async def main_loop(self) -> None:
        """Wait for the end; there is nothing to look at ten times a second."""
        await self._told_to_end.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Take a signal as the order to end, and not as a death of ours: being stopped is no failure."""
        loop = asyncio.get_running_loop()

        def begin_to_end() -> None:
            self._views.close()
            self._told_to_end.set()

        def obey(number: int) -> None:
            self.handle_exit(number, None)  # a second Ctrl-C waits for nothing
            loop.call_soon_threadsafe(begin_to_end)

        with self._ending.obeyed(obey):
            yield


def make_app(plan: PagePlan, views: Views, keepalive: KeepAlive | None) -> Starlette:
    """All routes; there are no others."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        del app
        task = asyncio.create_task(keepalive.run()) if keepalive is not None else None
        yield
        if task is not None:
            task.cancel()

    routes = [
        Route("/", views.page),
        Route("/status", views.status),
        Route("/health", views.health),
        Route("/ping", views.health),
        Route("/ready", views.ready),
        Route("/metrics", metrics_view(views, plan)),
        Route("/events", views.events),
        Route("/log", views.log),
        Route("/incidents/{name}", views.incident),
        Route("/static/{name}", views.asset),
        Route("/login", views.sign_in, methods=["POST"]),
        Route("/logout", views.sign_out, methods=["POST"]),
        Route("/actions/{action}", views.act, methods=["POST"]),
    ]
    app = Starlette(
        routes=routes,
        lifespan=lifespan,
        middleware=[Middleware(Guard, names=plan.names, is_public=plan.is_public)],
        exception_handlers={Refused: _refused, HTTPException: _http_error, 500: _fault},
    )
    app.router.redirect_slashes = False
    return app


async def _refused(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, Refused)
    return JSONResponse({"error": error.text}, error.status, headers=error.headers)


async def _http_error(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail.lower()}, error.status_code, headers=error.headers)


async def _fault(request: Request, error: Exception) -> Response:
    del request, error  # the traceback goes to the log, not to the caller
    return JSONResponse({"error": "a fault of the page itself"}, 500)


def serve(plan: PagePlan, tell: Callable[[], None]) -> int:
    """Serve until a signal ends it; returns the exit code.

    Args:
        plan: what is served, and where.
        tell: says so to the person; called when Ctrl-C is already understood.
    """
    ending = Ending()
    tell()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    return asyncio.run(_serve(plan, ending))


async def _serve(plan: PagePlan, ending: Ending) -> int:
    threads = ThreadPoolExecutor(THREADS, thread_name_prefix="page")
    asyncio.get_running_loop().set_default_executor(threads)
    keepalive = KeepAlive(plan.keepalive_url, plan.keepalive_s) if plan.keepalive_url else None
    views = Views(plan, Access(plan.token), keepalive)
    config = uvicorn.Config(
        make_app(plan, views, keepalive),
        http=PatientProtocol,
        ws="none",
        loop="asyncio",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,  # the guard adds it; here it would take a look at the clock each second
        proxy_headers=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=STOP_S,
    )
    server = Server(config, views, ending)
    await server.serve(sockets=[plan.listener])
    return 0

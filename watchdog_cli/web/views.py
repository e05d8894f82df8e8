"""What each route answers."""

import asyncio
import html
import json
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse

from watchdog_cli.adapters.line_feed import newest_lines
from watchdog_cli.core.errors import ExitCode, NotRunningError, WatchdogError
from watchdog_cli.core.report import Health, StatusReport
from watchdog_cli.web.access import SESSION_S, Access
from watchdog_cli.web.assets import load_assets, load_template
from watchdog_cli.web.extras import Everyone, Extras, key_of
from watchdog_cli.web.incidents import read_incident
from watchdog_cli.web.keepalive import KeepAlive
from watchdog_cli.web.stream import Channel
from watchdog_cli.wiring import ask
from watchdog_cli.wiring.ask import NotRespondingError
from watchdog_cli.wiring.page import TOKEN_VARIABLE, PagePlan
from watchdog_cli.wiring.places import Places
from watchdog_cli.wiring.scene import Scene, log_path, shown_line
from watchdog_kit.quantities import parse_duration

BODY_LIMIT = 4096
BODY_S = 10.0
MOST_STREAMS = 400
MOST_LINES = 1000
LINES = 200
ACTIONS = ("stop", "restart", "pause", "resume")
READ_ERRORS = (WatchdogError, OSError, ValueError, LookupError, TypeError)
log = logging.getLogger("watchdog.web")


class Refused(Exception):  # noqa: N818 - not a fault: an answer
    """The request is answered with this status and text."""

    def __init__(self, status: int, text: str, **headers: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class Views:
    """All routes of one page."""

    def __init__(self, plan: PagePlan, access: Access, keepalive: KeepAlive | None) -> None:
        """Read the files of the page; nothing is asked of any watchdog yet."""
        self.closing = asyncio.Event()
        self._plan = plan
        self._access = access
        self._keepalive = keepalive
        self._everyone = Everyone(plan.places)
        self._channels: dict[str, tuple[Channel, Extras]] = {}
        self._assets = load_assets()
        self._page = load_template("page.html")
        self._cookie = f"watchdog_{plan.address[1]}"  # cookies do not tell ports apart
        self._acting: set[str] = set()

    def close(self) -> None:
        """End all streams."""
        self.closing.set()
        for channel, _ in self._channels.values():
            channel.close()

    # --- who asks ---------------------------------------------------------------------------------------------

    def _session(self, request: Request) -> str:
        """The valid session that the request brings along, or ""."""
        session = request.cookies.get(self._cookie, "")
        return session if session and self._access.is_session(session) else ""

    def _has_token(self, request: Request) -> bool:
        """Whether it brings the token itself.

        Raises:
            Refused: it brings a wrong one.
        """
        given = request.headers.get("authorization")
        if given is None:
            return False
        scheme, _, value = given.partition(" ")
        if scheme.lower() != "bearer":
            return False
        self._check_token(request, value.strip().encode("latin-1", "replace"))
        return True

    def _check_token(self, request: Request, given: bytes) -> None:
        address = request.client.host if request.client else ""
        if self._access.must_wait(address):
            raise Refused(429, "too many wrong tokens; wait a minute", retry_after="60")
        if not self._access.is_token(given):
            self._access.note_wrong(address)
            log.warning("a wrong token came from %s", address)
            raise Refused(401, "that is not the token", www_authenticate="Bearer")

    def may_read(self, request: Request) -> None:
        """Let it pass, or say why not.

        Raises:
            Refused: reading takes the token here.
        """
        if self._has_token(request) or not self._plan.is_public or self._session(request):
            return
        raise Refused(401, "sign in first", www_authenticate="Bearer")

    def may_act(self, request: Request) -> None:
        """Let it pass, or say why not.

        Raises:
            Refused: it may not.
        """
        if not self._access.token:
            raise Refused(403, f"this page only shows; start it with {TOKEN_VARIABLE} set to allow actions")
        if self._has_token(request):
            return
        session = self._session(request)
        if not session:
            raise Refused(401, "sign in first", www_authenticate="Bearer")
        given = request.headers.get("x-csrf-token", "").encode("latin-1", "replace")
        if not self._access.is_csrf(session, given):
            raise Refused(403, "the page is too old or not ours; load it again")

    # --- which watchdog -----------------------------------------------------------------------------------------

    def _places(self, request: Request) -> Places:
        places = self._everyone.find(request.query_params.get("watchdog", "")[:64])
        if places is None:
            raise Refused(404, "there is no such watchdog")
        return places

    def _channel(self, places: Places) -> Channel:
        key = key_of(places)
        if key not in self._channels:
            state: Callable[[], object] = self._keepalive.state if self._keepalive else lambda: None
            extras = Extras(places, self._everyone, state)
            self._channels[key] = Channel(partial(Scene, places), extras, self.closing), extras
        return self._channels[key][0]

    async def _report(self, places: Places) -> StatusReport:
        try:
            return await self._channel(places).report()
        except READ_ERRORS as error:
            log.warning("cannot look at %s: %s", places.name, error)
            raise Refused(503, "cannot look at it now", retry_after="2") from error

    # --- reading ------------------------------------------------------------------------------------------------

    async def page(self, request: Request) -> Response:
        """The page itself; it holds nothing that is not public, its script fetches the rest."""
        session = self._session(request)
        language = _language(request)
        values = {
            "LANG": language,
            "DIR": "rtl" if language == "ar" else "ltr",
            "NAME": self._plan.places.name,
            "CSRF": self._access.csrf(session) if session else "",
            "MODE": "act" if self._access.token else "look",
        }
        text = self._page.substitute({key: html.escape(value) for key, value in values.items()})
        return HTMLResponse(text, headers={"vary": "Cookie, Accept-Language"})

    async def asset(self, request: Request) -> Response:
        """A script, a style or a picture."""
        found = self._assets.get(request.path_params["name"])
        if found is None:
            raise Refused(404, "there is no such file")
        headers = {"etag": found.tag, "cache-control": "no-cache", "vary": "Accept-Encoding"}
        if request.headers.get("if-none-match") == found.tag:
            return Response(status_code=304, headers=headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(
                found.packed, media_type=found.kind, headers=headers | {"content-encoding": "gzip"}
            )
        return Response(found.content, media_type=found.kind, headers=headers)

    async def status(self, request: Request) -> Response:
        """The same as ``status --json``."""
        self.may_read(request)
        return JSONResponse((await self._report(self._places(request))).mapping())

    async def health(self, request: Request) -> Response:
        """200 while the watchdog lives; how its program is does not matter, or a host would restart both."""
        del request
        report = await self._report(self._plan.places)
        alive = report.watchdog is not None and report.health is not Health.FROZEN
        answer = {"watchdog": "alive" if alive else "frozen" if report.watchdog else "gone"}
        return JSONResponse(answer, 200 if alive else 503)

    async def ready(self, request: Request) -> Response:
        """200 while the program can do its work."""
        del request
        report = await self._report(self._plan.places)
        ready = report.exit_code is ExitCode.OK and report.health is not Health.STANDING_BY
        answer = {"ready": ready, "state": report.state.value, "health": report.health.value}
        return JSONResponse(answer, 200 if ready else 503)

    async def log(self, request: Request) -> Response:
        """The newest lines of the program's log."""
        self.may_read(request)
        places = self._places(request)
        written = request.query_params.get("lines", str(LINES))
        if not (written.isascii() and written.isdigit() and len(written) < 8):
            raise Refused(400, "lines must be a number")
        count = min(int(written), MOST_LINES)
        lines = await asyncio.to_thread(lambda: newest_lines(log_path(places), count))
        return PlainTextResponse("".join(f"{shown_line(line)}\n" for line in lines))

    async def incident(self, request: Request) -> Response:
        """What is known of one incident."""
        self.may_read(request)
        places, name = self._places(request), request.path_params["name"]
        found = await asyncio.to_thread(read_incident, places, name)
        if found is None:
            raise Refused(404, "there is no such incident")
        return JSONResponse({"id": name, "parts": found})

    async def events(self, request: Request) -> Response:
        """The stream on which the page lives."""
        self.may_read(request)
        channel = self._channel(self._places(request))
        if sum(one.clients for one, _ in self._channels.values()) >= MOST_STREAMS or self.closing.is_set():
            raise Refused(503, "too many people look at this page; try again later", retry_after="30")
        headers = {"x-accel-buffering": "no"}
        if request.method == "HEAD":
            return Response(media_type="text/event-stream", headers=headers)
        return StreamingResponse(channel.messages(), media_type="text/event-stream", headers=headers)

    # --- acting -------------------------------------------------------------------------------------------------

    async def sign_in(self, request: Request) -> Response:
        """Take the token and give a session for it."""
        if not self._access.token:
            raise Refused(403, f"there is nothing to sign in to; start the page with {TOKEN_VARIABLE} set")
        token = (await _json_body(request)).get("token")
        if not isinstance(token, str):
            raise Refused(400, "the token is missing")
        self._check_token(request, token.strip().encode("utf-8", "replace"))
        session = self._access.new_session()
        response = JSONResponse({"csrf": self._access.csrf(session)})
        secure = request.headers.get("x-forwarded-proto", "").lower() == "https"
        response.set_cookie(
            self._cookie, session, max_age=SESSION_S, httponly=True, samesite="strict", secure=secure
        )
        return response

    async def sign_out(self, request: Request) -> Response:
        """End the session of this browser."""
        self.may_act(request)
        response = JSONResponse({"ok": True})
        response.delete_cookie(self._cookie, httponly=True, samesite="strict")
        return response

    async def act(self, request: Request) -> Response:
        """Stop, restart, pause or resume, and answer when it is done."""
        self.may_act(request)
        action = request.path_params["action"]
        if action not in ACTIONS:
            raise Refused(404, "there is no such action")
        body = await _json_body(request) if action == "pause" else {}
        places = self._places(request)
        turn = f"{action} {key_of(places)}"
        if turn in self._acting:
            raise Refused(409, "that is being done already")
        self._acting.add(turn)
        log.warning(
            "%s asked by %s for %s", action, request.client.host if request.client else "?", places.name
        )
        try:
            answer = await asyncio.to_thread(_act, places, action, _pause_s(body))
        except NotRunningError as error:
            raise Refused(409, str(error)) from error
        except NotRespondingError as error:
            raise Refused(504, str(error)) from error
        except (WatchdogError, OSError) as error:
            raise Refused(409, str(error)) from error
        finally:
            self._acting.discard(turn)
        return JSONResponse({"ok": True} | answer)


def _act(places: Places, action: str, for_s: float | None) -> dict[str, Any]:
    said: list[str] = []
    if action == "stop":
        if not ask.stop(places, now=False, say=said.append):
            raise NotRunningError(f"no watchdog looks after {places.name!r}")
        return {}
    what: dict[str, object] = {"ask": action}
    if action == "pause":
        what["for_s"] = for_s
    answer = ask.request(places, what, said.append)
    if action == "restart" and "pid" not in answer:
        raise NotRunningError("the watchdog ended before the program was started again")
    return {key: answer[key] for key in ("pid", "number", "was_paused") if key in answer}


def _pause_s(body: dict[str, Any]) -> float | None:
    """How long a pause is to last; None for until it is ended."""
    written = body.get("for")
    if written is None:
        return None
    try:
        seconds = parse_duration(written) if isinstance(written, str) else 0.0
    except ValueError as error:
        raise Refused(400, str(error)) from error
    if seconds <= 0:
        raise Refused(400, 'the time of a pause must be longer than 0; write it like "10m"')
    return seconds


async def _json_body(request: Request) -> dict[str, Any]:
    """The object that was sent; an empty body is an empty object."""
    body = b""
    try:
        async with asyncio.timeout(BODY_S):
            async for part in request.stream():
                body += part
                if len(body) > BODY_LIMIT:
                    raise Refused(413, "that is too much")
    except TimeoutError as error:
        raise Refused(408, "that took too long") from error
    except ClientDisconnect as error:
        raise Refused(400, "the caller has gone") from error
    if not body:
        return {}
    # A form of a foreign page cannot send this type, so it cannot sign anybody in either.
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused(415, "send JSON")
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refused(400, "that is no JSON") from error
    if not isinstance(found, dict):
        raise Refused(400, "send an object")
    return found


def _language(request: Request) -> str:
    """The language that was chosen, else the first of the browser's that the page has."""
    chosen = request.query_params.get("lang") or request.cookies.get("watchdog_lang", "")
    if chosen in {"ar", "en"}:
        return chosen
    for entry in request.headers.get("accept-language", "")[:200].split(","):
        language = entry.partition(";")[0].strip().lower().partition("-")[0]
        if language in {"ar", "en"}:
            return language
    return "en"

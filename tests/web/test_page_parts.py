"""The parts of the page that need no process: sessions, names of hosts, token files, the feed of a log."""

import asyncio
import json
import os

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from watchdog_cli.adapters.line_feed import MOST_BYTES, LineFeed, newest_lines
from watchdog_cli.web.access import SESSION_S, Access
from watchdog_cli.web.guard import Guard
from watchdog_cli.web.tokens import SHOWN, TokenFile


class Clock:
    """Unix seconds that a test moves."""

    def __init__(self):
        self.at = 1_800_000_000.0

    def __call__(self):
        return self.at


def test_a_session_ends_exactly_when_it_said():
    """One second before its end it holds, at its end it does not."""
    clock = Clock()
    access = Access("a token", clock)
    session = access.new_session()
    clock.at += SESSION_S - 1
    assert access.is_session(session)
    clock.at += 1
    assert not access.is_session(session)


@pytest.mark.parametrize("place", [0, 5, 12, 20, -1])
def test_a_changed_session_is_none(place):
    """No character of it can be another one, so its end cannot be moved either."""
    access = Access("a token")
    session = access.new_session()
    other = "0" if session[place] != "0" else "1"
    changed = session[:place] + other + (session[place + 1 :] if place != -1 else "")
    assert access.is_session(session)
    assert not access.is_session(changed)


@pytest.mark.parametrize(
    "text", ["", ".", "..", "x" * 5000, "9999999999..", "é.é.é", "9" * 300 + ".a.b", "\ud800"]
)
def test_nonsense_is_no_session(text):
    """Whatever stands in a cookie is judged without an error."""
    assert not Access("a token").is_session(text)


def test_without_a_token_nothing_is_right():
    """A page without a token takes neither the empty token nor a session made with it."""
    access = Access("")
    assert not access.is_token(b"")
    assert not access.is_session(access.new_session())


def test_the_mark_belongs_to_one_session():
    """Neither another session's mark nor an empty one does."""
    access = Access("a token")
    one, other = access.new_session(), access.new_session()
    assert access.is_csrf(one, access.csrf(one).encode())
    assert not access.is_csrf(one, access.csrf(other).encode())
    assert not access.is_csrf(one, b"")


def test_wrong_tokens_are_counted_for_each_address_and_not_for_ever():
    """Guesses of one address do not keep others out, and an army of addresses does not fill the memory."""
    access = Access("a token")
    for _ in range(20):
        access.note_wrong("10.0.0.1")
    assert access.must_wait("10.0.0.1")
    assert not access.must_wait("10.0.0.2")
    for number in range(3000):
        access.note_wrong(f"10.1.{number // 256}.{number % 256}")
    assert len(access._wrong) <= 1000


async def ask(names, is_public, path="/status", method="GET", **headers):
    """The status with which the guard, or what stands behind it, answers."""
    route = Route("/{path:path}", lambda _: PlainTextResponse("in"), methods=["GET", "POST"])
    guard = Guard(Starlette(routes=[route]), names=frozenset(names), is_public=is_public)
    found = []

    async def receive():
        return {"type": "http.request", "body": b""}

    async def send(message):
        found.append(message)

    raw = [
        (name.replace("_", "-").lower().encode(), value.encode("latin-1")) for name, value in headers.items()
    ]
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "headers": raw,
        "query_string": b"",
        "http_version": "1.1",
    }
    await guard({**scope, "raw_path": path.encode(), "root_path": "", "scheme": "http"}, receive, send)
    return found[0]["status"]


@pytest.mark.parametrize(
    ("host", "private", "public"),
    [
        ("127.0.0.1:8787", 200, 200),
        ("127.8.9.1", 200, 200),
        ("[::1]:8787", 200, 200),
        ("localhost", 200, 200),
        ("my-page.example.org", 200, 200),
        ("10.0.0.5:8787", 403, 200),
        ("[2001:db8::1]", 403, 200),
        ("other.example.org", 403, 403),
        ("localhost.example.org", 403, 403),
        ("my-page.example.org@evil.example", 403, 403),
        ("evil.example/my-page.example.org", 403, 403),
        ("127.0.0.1:0", 403, 403),
        ("127.0.0.1:99999", 403, 403),
        ("127.0.0.1:x", 403, 403),
        ("127.1", 403, 403),
        ("0x7f000001", 403, 403),
        ("[::1", 403, 403),
        ("", 403, 403),
    ],
)
def test_by_which_names_the_page_may_be_called(host, private, public):
    """Its own names and addresses, on a public address any address, and never a foreign name."""
    assert asyncio.run(ask({"my-page.example.org"}, False, Host=host)) == private
    assert asyncio.run(ask({"my-page.example.org"}, True, Host=host)) == public


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://127.0.0.1:8787", 200),
        ("https://127.0.0.1:8787", 200),
        ("http://127.0.0.1", 403),
        ("http://127.0.0.1:8788", 403),
        ("http://localhost:8787", 403),
        ("file://127.0.0.1:8787", 403),
        ("null", 403),
        ("", 403),
        ("http://127.0.0.1:8787@evil.example", 403),
        ("http://[", 403),
    ],
)
def test_from_which_pages_a_request_may_come(origin, status):
    """Only from the page itself, whatever the proxy before it speaks."""
    assert asyncio.run(ask(set(), False, method="POST", Host="127.0.0.1:8787", Origin=origin)) == status


def test_the_best_tokens_are_shown_and_all_are_counted(tmp_path):
    """Of many tokens those that rose most are kept, in order."""
    path = tmp_path / "tracked_tokens.json"
    tokens = {f"t{n}": {"firstPrice": 1, "lastPrice": 1 + (n * 7919 % 1000) / 100} for n in range(1000)}
    path.write_text(json.dumps(tokens, indent=2))
    found = TokenFile(str(tmp_path)).look()
    rises = [token["rise"] for token in found["shown"]]
    assert found["count"] == 1000
    assert len(rises) == SHOWN
    assert rises == sorted(rises, reverse=True)
    assert rises[0] == pytest.approx(999)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"a": {}', "nul", "[" * 100000, '{"a" 1}', "\0" * 50])
def test_a_damaged_token_file_leaves_the_last_good_look(tmp_path, content):
    """What cannot be read is no reason to show nothing."""
    path = tmp_path / "tracked_tokens.json"
    file = TokenFile(str(tmp_path))
    assert file.look() is None
    path.write_text('{"good": {"firstPrice": 1, "lastPrice": 2}}')
    assert file.look()["count"] == 1
    path.write_text(content)
    assert file.look()["count"] == 1
    path.unlink()
    assert file.look() is None


def test_numbers_that_json_cannot_hold_are_no_prices(tmp_path):
    """NaN, infinities, endless integers and true become nothing, so the page gets valid JSON."""
    path = tmp_path / "tracked_tokens.json"
    odd = ('{"firstPrice": NaN, "lastPrice": 1e999}', f'{{"lastPrice": {"9" * 400}}}', '{"lastPrice": true}')
    path.write_text(f'{{"a": {odd[0]}, "b": {odd[1]}, "c": {odd[2]}}}')
    found = TokenFile(str(tmp_path)).look()
    assert [token["price"] for token in found["shown"]] == [None, None, None]
    assert json.dumps(found, allow_nan=False)


def test_a_rise_is_measured_across_a_change_of_pools(tmp_path):
    """What is shown is the rise that the tracker tells of; one beyond all numbers is none, for the page's JSON."""
    path = tmp_path / "tracked_tokens.json"
    moved = {"firstPrice": 1.0, "lastPrice": 3.0, "seriesFactor": 2.0}
    broken = {"firstPrice": 5e-324, "lastPrice": 1e300, "seriesFactor": 0}
    path.write_text(json.dumps({"moved": moved, "broken": broken}))
    found = {token["address"]: token for token in TokenFile(str(tmp_path)).look()["shown"]}
    assert found["moved"]["rise"] == pytest.approx(50)
    assert found["broken"]["rise"] is None
    assert json.dumps(list(found.values()), allow_nan=False)


def test_names_do_not_twist_the_page(tmp_path):
    """Marks that turn the direction of writing are left out of a name; joiners, which belong to words, stay."""
    name = "\u202eevil\u2067\x07 می\u200cخواهم"
    (tmp_path / "tracked_tokens.json").write_text(json.dumps({"a": {"name": name, "symbol": "\ud83d"}}))
    [token] = TokenFile(str(tmp_path)).look()["shown"]
    assert (token["name"], token["symbol"]) == ("evil می\u200cخواهم", "")


def test_the_feed_gives_each_line_once(tmp_path):
    """First the newest lines, then what is added, over a rotation, and a line only when it is complete."""
    path = tmp_path / "a.log"
    path.write_bytes(b"".join(b"%d\n" % n for n in range(10)))
    feed = LineFeed(str(path), 3)
    assert feed.more() == ([b"7\n", b"8\n", b"9\n"], False)
    with path.open("ab") as file:
        file.write(b"ten\nele")
        file.flush()
        assert feed.more() == ([b"ten\n"], False)
        file.write(b"ven\n")
    path.rename(tmp_path / "a.log.1")
    path.write_bytes(b"twelve\n")
    assert feed.more() == ([b"eleven\n", b"twelve\n"], False)
    assert feed.more() == ([], False)
    feed.close()


def test_the_feed_begins_with_half_a_line(tmp_path):
    """A line whose end is not there yet when somebody begins to look is given whole, later, and once."""
    path = tmp_path / "a.log"
    path.write_bytes(b"one\ntw")
    feed = LineFeed(str(path), 10)
    assert feed.more() == ([b"one\n"], False)
    with path.open("ab") as file:
        file.write(b"o\n")
    assert feed.more() == ([b"two\n"], False)
    feed.close()


def test_the_feed_skips_what_nobody_could_read(tmp_path):
    """Of a flood it gives the newest lines and says that some are missing."""
    path = tmp_path / "a.log"
    path.write_bytes(b"begin\n")
    feed = LineFeed(str(path), 5)
    feed.more()
    with path.open("ab") as file:
        file.write(b"x" * 99 + b"\n" + b"flood of lines\n" * (4 * MOST_BYTES // 15) + b"the last\n")
    lines, missing = feed.more()
    assert missing
    assert len(lines) == 5
    assert lines[-1] == b"the last\n"
    assert feed.more() == ([], False)
    feed.close()


def test_a_log_that_comes_later_is_found(tmp_path):
    """A missing log has no lines; when it appears, all of it is new."""
    path = tmp_path / "a.log"
    feed = LineFeed(str(path), 5)
    assert feed.more() == ([], False)
    assert newest_lines(str(path), 5) == []
    path.write_bytes(b"hello\n")
    assert feed.more() == ([b"hello\n"], False)
    assert newest_lines(str(path), 5) == [b"hello\n"]
    feed.close()
    assert not [one for one in os.listdir("/proc/self/fd") if _leads_to(one, path)]


def _leads_to(descriptor, path):
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}") == str(path)
    except OSError:
        return False

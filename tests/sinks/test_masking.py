"""Secrets are taken out of texts, and texts stay texts."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchdog_cli.sinks.masking import HIDDEN, make_mask

TOKEN = "123456789:AAE-secret_secret_secret_secret_abc"
HOOK = "https://me:pa55word%21@hooks.example.org/services/T000/B000/xyzxyz?key=abcdefgh"


def test_known_secrets_go_in_every_form() -> None:
    """As they are, quoted for an address, and the parts of an address that give access."""
    mask = make_mask([TOKEN, HOOK], {})
    for text in (
        TOKEN,
        TOKEN.replace(":", "%3A"),
        HOOK,
        "/services/T000/B000/xyzxyz",
        "pa55word%21",
        "key=abcdefgh",
    ):
        shown = mask(f"cannot reach <{text}>, sorry")
        assert shown.startswith("cannot reach <")
        assert shown.endswith(">, sorry")
        assert not any(part in shown for part in ("AAE-", "T000", "pa55", "abcdefgh"))
    assert mask("hooks.example.org answered 404") == "hooks.example.org answered 404"


def test_values_of_secret_variables_go() -> None:
    """By the name of the variable: tokens, passwords and keys; others stay."""
    environ = {"TRACKER_TELEGRAM_TOKEN": "t0psecret", "DB_PASSWORD": "hunter2hunter2", "LANG": "C.UTF-8"}
    mask = make_mask([], {**environ, "API_KEY": "abc"})
    assert mask("t0psecret hunter2hunter2 C.UTF-8 abc") == f"{HIDDEN} {HIDDEN} C.UTF-8 abc"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("GET /bot99999:AAAAAAAAAAAAAAAAAAAAAAAA/x", f"GET /bot{HIDDEN}/x"),
        ("postgres://user:pass@db/x", f"postgres://{HIDDEN}@db/x"),
        ("Authorization: Bearer abcdef123456", f"Authorization: Bearer {HIDDEN}"),
        ("password=hunter2 user=x", f"password={HIDDEN} user=x"),
        ('{"api_key": "abcdef"}', f'{{"api_key": "{HIDDEN}"}}'),
        ("bot.py --telegram-token abcd --verbose", f"bot.py --telegram-token {HIDDEN} --verbose"),
        ("the token is wrong", "the token is wrong"),
        ("So11111111111111111111111111111111111111112", "So11111111111111111111111111111111111111112"),
        ("12:30:45 started", "12:30:45 started"),
    ],
)
def test_what_looks_like_a_secret_goes_and_other_text_stays(text: str, shown: str) -> None:
    """Shapes of logins and tokens are found without knowing them."""
    found = make_mask([], {})(text)
    assert found == shown


@given(st.text(max_size=300))
def test_any_text_is_taken(text: str) -> None:
    """Nothing in a log can make it fail, and masking twice changes nothing more."""
    mask = make_mask([TOKEN], {"MY_SECRET": "abcdefgh"})
    once = mask(text)
    assert TOKEN not in once
    assert "abcdefgh" not in once
    assert mask(once) == once or HIDDEN in once


@pytest.mark.parametrize("text", ["-" * 4000, "token " * 700, "://" * 1300, "--token" * 600, "a." * 2000])
def test_no_line_makes_it_slow(text: str) -> None:
    """A line made to be searched for long is searched in bounded time: it holds up all threads meanwhile."""
    mask = make_mask([TOKEN], {})
    began = time.process_time()
    mask(text)
    assert time.process_time() - began < 1

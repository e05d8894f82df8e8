"""A watchdog with a program, and pages over it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from browser import Browser
from harness import Watchdog, dog
from rig import rig
from web_page import OPENED, Page

__all__ = ["dog", "rig"]

QUICK = ("--restart-delay", "200ms", "--stop-timeout", "3s", "--dump-timeout", "200ms")


@pytest.fixture
def healthy(dog: Watchdog) -> Watchdog:
    """A watchdog over a program that beats."""
    dog.start(*QUICK, orders=("beat 0.2", "print it works"))
    dog.ready()
    dog.await_health("healthy")
    return dog


@pytest.fixture
def page(healthy: Watchdog) -> Page:
    """A page over it that allows actions."""
    return Page(healthy)


@pytest.fixture(autouse=True)
def close_streams() -> Iterator[None]:
    """No test leaves a connection open, not even one that fails."""
    yield
    while OPENED:
        OPENED.pop().close()


@pytest.fixture
def browse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Browser]]:
    """Start browsers; all of them are gone at the end."""
    started: list[Browser] = []

    def start(**options: str) -> Browser:
        folder: Path = tmp_path_factory.mktemp("browser")
        browser = Browser(folder, **options)
        started.append(browser)
        browser.begin()
        return browser

    yield start
    for browser in started:
        browser.close()

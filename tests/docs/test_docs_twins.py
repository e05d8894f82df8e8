"""The Arabic pages say what the English ones say, and both say what the code says."""

import re
from pathlib import Path

import pytest

import doc_pages
from doc_pages import ROOT
from watchdog_cli.core.errors import ExitCode
from watchdog_cli.core.options import OPTIONS

DOCS = ROOT / "docs"
# commands.md repeats what --help prints, and --help speaks English.
ENGLISH_ONLY = {"commands.md"}
CODE = re.compile(r"^\| (\d+) \|", re.MULTILINE)
SHELL = re.compile(r"^(?: {4}|\$ )((?:watchdog|sh|python) [^#\n]*?)\s*(?:#.*)?$", re.MULTILINE)
SOURCES = [
    path for name in ("watchdog_cli", "watchdog_kit", "tracker") for path in (ROOT / name).rglob("*.py")
]


def test_each_english_page_has_its_arabic_twin_or_is_on_the_short_list() -> None:
    """A new page is written in both languages, or somebody has decided that it is not."""
    english = {page.name for page in DOCS.glob("*.md")}
    arabic = {page.name for page in (DOCS / "ar").glob("*.md")}
    assert english - ENGLISH_ONLY <= arabic
    assert arabic <= english


def test_arabic_readers_are_led_to_arabic_pages() -> None:
    """A link in an Arabic page, or in README.ar.md, goes to the English page only where there is no other."""
    link = re.compile(r"\]\((\.\./|docs/)([a-z-]+\.md)(?:#[^)]*)?\)")
    pages = [ROOT / "README.ar.md", *(DOCS / "ar").glob("*.md")]
    found = {(page.name, name) for page in pages for _, name in link.findall(page.read_text("utf-8"))}
    assert {name for _, name in found} == ENGLISH_ONLY, found


def test_the_arabic_readme_leads_wherever_the_english_one_does() -> None:
    """Every page that README.md names has its Arabic twin in README.ar.md, or itself where there is no twin."""
    english, arabic = (
        set(re.findall(r"\]\((\S+?\.md)\)", (ROOT / name).read_text("utf-8")))
        for name in ("README.md", "README.ar.md")
    )
    twins = {
        page if page in ENGLISH_ONLY else f"ar/{page}"
        for page in (link.removeprefix("docs/") for link in english if re.match(r"docs/[a-z-]+\.md", link))
    }
    assert len(twins) > 15
    assert {f"docs/{page}" for page in twins} - arabic == set()


@pytest.mark.parametrize("twin", sorted((DOCS / "ar").glob("*.md")), ids=lambda page: page.stem)
def test_an_arabic_page_has_all_that_its_english_twin_has(twin: Path) -> None:
    """Headings, rows and points come in the same order, and nothing that English names in code is left out."""
    english = prose(DOCS / twin.name)
    arabic = prose(twin)
    assert shape(arabic) == shape(english), f"docs/ar/{twin.name} and docs/{twin.name} differ in their build"
    missing = code_words(english) - code_words(arabic)
    assert missing == set(), f"docs/ar/{twin.name} does not say what docs/{twin.name} says of these"


def prose(page: Path) -> str:
    """Return a page without its sessions."""
    return doc_pages.FENCE.sub("", page.read_text("utf-8"))


def shape(text: str) -> list[str]:
    """Return how a page is built: the level of each heading, the rows of tables, the points of lists."""
    return re.findall(r"^(#+ |\||\d+\. |- )", text, re.MULTILINE)


def code_words(text: str) -> set[str]:
    """Return what stands between backticks, but for the columns of the settings that the Arabic table leaves out."""
    text = re.sub(r"(<!-- table of settings).*?(<!-- end of the table)", "", text, flags=re.DOTALL)
    return {" ".join(word.split()) for word in re.findall(r"`([^`]+)`", text)}


def test_both_readmes_name_the_same_commands_and_codes() -> None:
    """README.ar.md shows the commands, the table of commands and the exit codes of README.md."""
    english, arabic = ((ROOT / name).read_text("utf-8") for name in ("README.md", "README.ar.md"))
    assert SHELL.findall(english)
    assert SHELL.findall(english) == SHELL.findall(arabic)
    assert CODE.findall(english) == CODE.findall(arabic)
    rows = re.compile(r"^\| (`watchdog .*?) \|", re.MULTILINE)
    assert rows.findall(english)
    assert rows.findall(english) == rows.findall(arabic)
    assert re.findall(r"^```python\n.*?^```", english, re.MULTILINE | re.DOTALL) == re.findall(
        r"^```python\n.*?^```", arabic, re.MULTILINE | re.DOTALL
    )
    assert arabic.startswith('<div dir="rtl">')


@pytest.mark.parametrize("page", ["exit-codes.md", "ar/exit-codes.md", "../README.md", "../README.ar.md"])
def test_each_exit_code_of_the_code_stands_in_the_page(page: str) -> None:
    """The table has every code that a command can end with, and 78."""
    listed = {int(code) for code in CODE.findall((DOCS / page).read_text("utf-8"))}
    assert listed >= {int(code) for code in ExitCode} | {78}


def test_the_arabic_table_has_every_setting_with_its_default() -> None:
    """Each setting is explained in Arabic, with the default that the code has."""
    text = (DOCS / "ar" / "settings.md").read_text("utf-8")
    rows = {
        key: (default, meaning)
        for key, default, meaning in re.findall(
            r"^\| `([a-z-]+)` \| `([^`]*)` \| (.*) \|$", text, re.MULTILINE
        )
    }
    for option in OPTIONS:
        assert option.key in rows, f"docs/ar/settings.md does not explain {option.key}"
        default, meaning = rows[option.key]
        assert default == option.shown_default(), option.key
        assert re.search("[\u0621-\u064a]{3}", meaning), option.key
    assert set(rows) == {option.key for option in OPTIONS}


@pytest.mark.parametrize("name", ["troubleshooting.md", "ar/troubleshooting.md"])
def test_every_message_in_the_troubleshooting_is_one_of_the_code(name: str) -> None:
    """What the first column quotes is printed by the code, but for what stands for values (...)."""
    joined = "\n".join(re.sub(r'"\s*\n\s*f?"', "", path.read_text("utf-8")) for path in SOURCES)
    text = (DOCS / name).read_text("utf-8")
    quotes = [quote for quote in re.findall(r"^\| `([^`]+)`", text, re.MULTILINE) if " " in quote]
    assert len(quotes) > 25
    made = ("killed by SIGKILL", "killed by SIGSEGV")  # put together from two words
    for quote in quotes:
        for part in filter(None, (part.strip() for part in quote.split("..."))):
            assert part in joined or quote in made, f"no message of the code says {part!r} (in {quote!r})"


def test_the_two_troubleshooting_pages_quote_the_same_messages() -> None:
    """Who reads Arabic finds the same messages."""
    english, arabic = (
        re.findall(r"^\| `([^`]+)`", (DOCS / name).read_text("utf-8"), re.MULTILINE)
        for name in ("troubleshooting.md", "ar/troubleshooting.md")
    )
    assert [quote for quote in english if " " in quote] == [quote for quote in arabic if " " in quote] or set(
        arabic
    ) == set(english)


def test_both_start_pages_play_the_same_session() -> None:
    """The first five minutes are the same in both languages, word by word."""
    assert doc_pages.sessions(DOCS / "start.md") == doc_pages.sessions(DOCS / "ar" / "start.md")

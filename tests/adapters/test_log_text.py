"""Text for a screen: readable for every byte, and without power over the terminal."""

import pytest

from watchdog_cli.adapters.log_output import LineCutter
from watchdog_cli.adapters.log_text import for_screen


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"plain\n", "plain"),
        (b"dos\r\n", "dos"),
        ("가 عربي \u200f 😀\n".encode(), "가 عربي \u200f 😀"),
        (b"\xc1bad\xff\n", "\ufffdbad\ufffd"),
        (b"tab\there", "tab\there"),
        (b"nul\0bell\x07del\x7f", "nul^@bell^Gdel^?"),
        (b"\x1b[31mred\x1b[0m on", "\x1b[31mred\x1b[0m on"),
        (b"\x1b[38;2;1;2;3mleft open", "\x1b[38;2;1;2;3mleft open\x1b[0m"),
        (b"\x1b[2J\x1b[1;1Hgone\x1b[?25l", "gone"),
        (b"\x1b]0;title\x07after", "after"),
        (b"\x1b]52;c;cm0gLXJm\x1b\\after", "after"),
        (b"\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        (b"\x1bP1$r0m\x1b\\x\x1b_y\x1b\\z\x1b^w\x1b\\", "xz"),
        (b"\x1b]0;never ended", ""),
        (b"cut \x1b[", "cut "),
        (b"cut \x1b", "cut "),
        (b"\x1bcreset\x1b(0line\x1b=", "resetline"),
        ("\x9b2Jc1\x9d0;t\x9cend".encode(), "c1end"),
        ("a\u202eevil".encode(), "a<202E>evil"),
        ("a\x85b".encode(), "a<85>b"),
        (b"10%\r50%\r100%\n", "...100%"),
        (b"", ""),
    ],
)
def test_line_as_it_is_shown(data: bytes, shown: str) -> None:
    """Colours stay, all other orders to the terminal go, all else is made visible."""
    assert for_screen(data) == shown


def test_without_colours() -> None:
    """Where no colours are wanted they go as well."""
    assert for_screen(b"\x1b[1;31mred\x1b[m", colours=False) == "red"


def test_no_single_byte_reaches_the_terminal_as_an_order() -> None:
    """No byte pair leaves an escape or control character in the text, but for colours."""
    for first in range(256):
        for second in range(256):
            text = for_screen(bytes([0x1B, first, second, 0x41]), colours=False)
            assert not [
                char for char in text if (char < " " and char not in "\t\n") or "\x7f" <= char < "\xa0"
            ]


def test_cut_line_says_so_and_halves_no_character() -> None:
    """The note of a cut line counts its bytes; half characters at the cut are not shown as damage."""
    data = "ع".encode() * 10
    shown = for_screen(data[:5] + data[:1] + data[1:2] + data[:4], left_out=99)
    assert " [... 99 bytes of this line are not shown ...] " in shown
    assert "\ufffd" not in shown


def test_every_start_offset_of_a_file_is_decoded_right() -> None:
    """From whatever offset on one looks, whole lines show all characters but the broken bytes."""
    data = "상태 정상\n".encode() + b"\xc1\xff\0 x\n" + "끝 عربي\n".encode()
    lines = data.split(b"\n")
    for start in range(len(data)):
        rest = data[start:].split(b"\n")[1:]
        assert [for_screen(line) for line in rest] == [
            for_screen(line) for line in lines[len(lines) - len(rest) :]
        ]


@pytest.mark.parametrize("step", [1, 2, 3, 5, 1000])
def test_cutter_makes_whole_lines_of_any_pieces(step: int) -> None:
    """Pieces cut anywhere give the same lines, each with its place."""
    data = "one\n\n상태\nlast".encode()
    cutter = LineCutter()
    found = []
    for start in range(0, len(data), step):
        found += cutter.feed(data[start : start + step], start)
    found.append(cutter.take_rest())
    assert found == [(b"one\n", 0), (b"\n", 4), ("상태\n".encode(), 5), (b"last", 12)]


def test_cutter_holds_half_characters_and_escapes_back() -> None:
    """A rest without line end is given only as far as it can be shown."""
    cutter = LineCutter()
    assert list(cutter.feed("a상".encode()[:3], 0)) == []
    assert cutter.take_rest() == (b"a", 0)
    assert list(cutter.feed("a상".encode()[3:] + b"\x1b[3", 3)) == []
    assert cutter.take_rest() == (b"", 1)
    assert list(cutter.feed(b"1m\n", 7)) == [("상".encode() + b"\x1b[31m\n", 1)]


def test_cutter_passes_an_endless_line_on_in_bounded_pieces() -> None:
    """A line without end does not grow in memory, and no character is cut at a seam."""
    cutter = LineCutter()
    data = "상".encode() * 100_000
    found = [
        piece
        for start in range(0, len(data), 4096)
        for piece, _ in cutter.feed(data[start : start + 4096], start)
    ]
    assert len(found) == 4
    assert len(cutter._rest) <= 64 * 1024
    assert all("\ufffd" not in piece.decode() for piece in found)


def test_cutter_starts_over_in_another_file() -> None:
    """A rest of one file is given before the lines of the next."""
    cutter = LineCutter()
    assert list(cutter.feed(b"broken off", 100)) == []
    assert list(cutter.feed(b"new\n", 0)) == [(b"broken off", 100), (b"new\n", 0)]

"""What a watchdog may be called."""

import pytest

from watchdog_cli.core.names import parse_name


@pytest.mark.parametrize("name", ["tracker", "a", "0", "Bot-2_x.y", "x" * 64])
def test_good_names(name):
    """Plain names are taken as they are."""
    assert parse_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            ".",
            "..",
            ".hidden",
            "-x",
            "_x",
            "a..b",
            "a.",
            "a/b",
            "a\\b",
            "a b",
            "a;b",
            "a\nb",
            "a'b",
            "a\0",
        ),
        *("x" * 65, "مراقب", "é", "NUL", "con.txt", "com1", "tracker.watchdog", "x.WatchDog"),
    ],
)
def test_bad_names(name):
    """A name that could leave its folder, hide, or collide with another file is refused."""
    with pytest.raises(ValueError, match="name"):
        parse_name(name)

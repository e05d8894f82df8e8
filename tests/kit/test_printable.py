"""Foreign text on a line of ours: nothing in it has power over the line, and words stay whole."""

from watchdog_kit.printable import printable


def test_what_has_no_shape_is_shown_as_something_else() -> None:
    """Controls, ends of lines, marks that turn the direction of writing, and halves of characters."""
    assert printable("a\x1b[2J\n\x00\u202eb\u2028\udc80") == "a?[2J???b??"
    assert printable("a\x07b", "") == "ab"


def test_words_of_any_language_stay_whole() -> None:
    """The joiners have no marks of their own, and without them Persian words and many emoji fall apart."""
    for text in ("متتبِّع", "می\u200cخواهم", "👩\u200d💻", "naïve 東京 -1,5 %"):
        assert printable(text) == text

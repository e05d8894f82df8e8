"""Text that strangers wrote, made fit for one line of a terminal or a page."""

JOINERS = "\u200c\u200d"  # no marks of their own, but part of Persian words and of many emoji


def printable(text: str, instead: str = "?") -> str:
    """The text with something else for whatever has no shape of its own, or would turn what stands beside it."""
    return "".join(c if c.isprintable() or c in JOINERS else instead for c in text)

"""The child's bytes as text for a screen: readable, and without power over the terminal.

Colours stay. All else that a terminal obeys (moving the cursor, titles, the clipboard, answers typed on the
person's behalf) is taken out; what is no UTF-8 is shown as a replacement character.
"""

import re

# What a terminal obeys: CSI ... letter, the strings OSC, DCS, SOS, PM and APC with their end (or cut off
# without one), and the short escapes. The C1 forms, single characters, count as well.
_OBEYED = re.compile(
    r"(?P<colour>\x1b\[[0-9;:]*m)"
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*(?:[@-~]|$)"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f]).*?(?:\x07|\x1b\\|\x9c|$)"
    r"|\x1b[ -/]*(?:[0-~]|$)",
    re.DOTALL,
)
_RESET = "\x1b[0m"
# Control characters that are left over are shown, not sent. Overrides of the text direction would show a line
# in another order than it was written in; the marks and isolates that Arabic text needs are not among them.
_SHOWN = {code: f"^{chr(code ^ 0x40)}" for code in (*range(32), 127) if code not in {9, 10}}
_SHOWN |= {code: f"<{code:02X}>" for code in range(0x80, 0xA0)}
_SHOWN |= {code: f"<{code:04X}>" for code in (0x202A, 0x202B, 0x202D, 0x202E)}


def for_screen(data: bytes, *, left_out: int = 0, colours: bool = True) -> str:
    """Return one line, without its line end, as it can be shown.

    Args:
        data: the line; both ends of it if something was left out.
        left_out: how many bytes are missing in its middle; that is said in the text.
        colours: False to leave colours out too.
    """
    if left_out:
        half = len(data) // 2
        head = _decoded(data[:half]).rstrip("\ufffd")  # a character that the cut has halved
        tail = _decoded(data[half:]).lstrip("\ufffd")
        note = f" [... {left_out} bytes of this line are not shown ...] "
        return _harmless(head, colours) + note + _harmless(tail, colours)
    return _harmless(_decoded(data), colours)


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _harmless(text: str, colours: bool) -> str:
    text = text.removesuffix("\n").removesuffix("\r")
    if text.isprintable():
        return text
    if "\r" in text:
        # A progress display that paints over itself: only its last state would be left on a screen.
        text = "..." + text.rpartition("\r")[2]
    colour = ""
    kept: list[str] = []
    place = 0
    for found in _OBEYED.finditer(text):
        kept.append(text[place : found.start()].translate(_SHOWN))
        place = found.end()
        if colours and found["colour"]:
            colour = found["colour"]
            kept.append(colour)
    kept.append(text[place:].translate(_SHOWN))
    if colour not in {"", "\x1b[m", _RESET}:
        kept.append(_RESET)  # a line that ends within a colour must not paint the next one
    return "".join(kept)

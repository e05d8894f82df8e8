"""Call a service manager's own command, bounded, and understand what it says."""

import subprocess
import sys
from collections.abc import Mapping, Sequence

from watchdog_kit.os_errors import in_words
from watchdog_kit.records import dataclass

TEXT_LIMIT = 600


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended.

    Args:
        code: its exit code; None when it could not be called or took too long.
        text: its last words, or why it could not be called.
        output: what it printed.
    """

    code: int | None
    text: str
    output: str = ""

    @property
    def is_well(self) -> bool:
        """Whether it did what was asked."""
        return self.code == 0


def call(words: Sequence[str], environ: Mapping[str, str], *, limit_s: float | None) -> Outcome:
    """Run one command to its end; it never asks anybody anything."""
    try:
        ended = _run(words, dict(environ), limit_s)
    except subprocess.TimeoutExpired:
        return Outcome(None, f"it did not end within {limit_s:.0f}s")
    except FileNotFoundError:
        return Outcome(None, f"there is no command {words[0]}")
    except OSError as error:
        return Outcome(None, in_words(error))
    output = ended.stdout.decode("utf-8", "replace")
    said = ended.stderr.decode("utf-8", "replace").strip() or output.strip()
    return Outcome(ended.returncode, " ".join(said[-TEXT_LIMIT:].split()), output)


def _run(
    words: Sequence[str], environ: dict[str, str], limit_s: float | None
) -> "subprocess.CompletedProcess[bytes]":
    if sys.platform != "win32":
        return subprocess.run(
            words, env=environ, stdin=subprocess.DEVNULL, capture_output=True, timeout=limit_s, check=False
        )
    # Into files and not pipes: a service that the command wakes keeps its end of a pipe open, and Python waits for that
    # end there whatever the limit is.
    import tempfile

    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        ended = subprocess.run(
            words,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            timeout=limit_s,
            check=False,
        )
        for file in (output, errors):
            file.seek(0)
        return subprocess.CompletedProcess(words, ended.returncode, output.read(), errors.read())

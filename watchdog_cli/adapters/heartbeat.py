"""Read the heartbeat file of one run.

A beat is a change of the file (inode, size, mtime or content) since the run was spawned, as we see it. What the file
says of times is for display only. Notices of the system only make us look earlier; whoever looks at a deadline finds
the truth.
"""

import json
import os
import stat
from collections.abc import Callable, Mapping

from watchdog_cli.adapters import foreign_json, sharing
from watchdog_cli.core.events import Beat
from watchdog_cli.core.facts import Notice
from watchdog_cli.core.policy import Source
from watchdog_kit.os_errors import in_words
from watchdog_kit.quantities import exact_duration, format_duration

READ_LIMIT = 64 * 1024
BEATS_WANTED = 3  # in one timeout, so that one late beat is no freeze
BEATS_BY_DEFAULT = 2  # our default timeout is twice the interval of our own tracker
YEAR_S = 366 * 86400
Signature = tuple[int, int, int, int]


class NotABeatError(ValueError):
    """The file changed, but says nothing that counts."""


def parse(content: bytes) -> Mapping[str, object]:
    """The fields of a heartbeat file; none for an empty file or for JSON that is no object.

    Raises:
        NotABeatError: too large, or half-written, or not JSON.
    """
    if len(content) > READ_LIMIT:
        raise NotABeatError(f"is larger than {READ_LIMIT // 1024} KiB")
    if not content.strip():
        return {}  # `touch heartbeat.json` is the simplest heartbeat there is
    try:
        found = foreign_json.parse(content, lenient=True)
    except ValueError as error:
        raise NotABeatError("is not complete JSON, or is nested too deeply") from error
    return found if isinstance(found, dict) else {}


class HeartbeatFile:
    """The file, as far as the present run is concerned."""

    def __init__(
        self,
        path: str,
        *,
        progress_key: str | None,
        belongs: Callable[[int], bool],
        say: Callable[[Notice], None],
        timeout_s: float,
        timeout_is_chosen: bool,
        ensure_notices: Callable[[], str | None] = lambda: None,
    ) -> None:
        """Nothing is read yet.

        Args:
            timeout_s: how long silence is borne; compared with the interval that the program declares.
            ensure_notices: begins, or begins again, to be told of changes; returns why that is not possible.
            timeout_is_chosen: somebody set it; our own default is known to be short for a beat each minute.
            belongs: whether a pid is of the child's tree.
            say: told of oddities, each once for a run.
        """
        self.path = path
        self.fields: Mapping[str, object] = {}
        self.foreign_pid: int | None = None
        self._progress_key = progress_key
        self._belongs = belongs
        self._say = say
        self._timeout_s = timeout_s
        self._beats_wanted = BEATS_WANTED if timeout_is_chosen else BEATS_BY_DEFAULT
        self._ensure_notices = ensure_notices
        self.notices_work = True
        self._run_id = ""
        self._seen: Signature | None = None
        self._content: bytes | None = None
        self._said: set[str] = set()
        self._known_pid: int | None = None

    def lies_there(self) -> bool:
        """Whether the file exists, so that the program can be expected to beat."""
        return os.path.lexists(self.path)

    def begin_run(self, run_id: str) -> None:
        """From now on only changes count; what lies there was left by an earlier run."""
        self._run_id = run_id
        self._said.clear()
        self._get_notices()
        self._seen = self._signature()
        self._content = self._peek() if self._seen is not None else None
        self.fields = {}
        self.foreign_pid = self._known_pid = None

    def look(self) -> Beat | None:
        """A beat, if the file has changed since the last look."""
        self._get_notices()
        signature = self._signature()
        if signature is None:
            return None
        # What is written through mapped memory changes no time of a file that lies in memory (tmpfs).
        if signature == self._seen and (self._content is None or self._peek() in (None, self._content)):
            return None
        try:
            content = self._read()
            fields = parse(content)
        except NotABeatError as error:
            # Its signature is not noted: a writer that fills it in place within one clock tick is not missed.
            self._say_once(str(error), f"{self.path} {error}; that does not count as a heartbeat")
            return None
        self._seen, self._content = signature, content
        return self._accept(fields)

    def _get_notices(self) -> None:
        trouble = self._ensure_notices()
        self.notices_work = trouble is None
        if trouble is not None:
            self._say_once(
                "notices",
                f"no notices of file changes here ({trouble}); looking at {self.path} now and then instead",
            )

    def _accept(self, fields: Mapping[str, object]) -> Beat | None:
        run_id = fields.get("runId")
        if isinstance(run_id, str) and run_id and run_id != self._run_id:
            self._say_once(
                "run", f"{self.path} was written by another run ({run_id[:40]}); that does not count"
            )
            return None
        self.fields = fields
        self._check_pid(fields.get("pid"))
        self._check_interval(fields.get("intervalSeconds"))
        progress = None
        if self._progress_key is not None:
            progress = _as_text(fields.get(self._progress_key))
            if progress is None:
                self._say_once(
                    "progress", f"{self.path} has no field {self._progress_key!r} to watch the progress by"
                )
        return Beat(Source.FILE, progress)

    def _check_pid(self, pid: object) -> None:
        if (
            not isinstance(pid, int)
            or isinstance(pid, bool)
            or pid == self._known_pid
            or not 0 < pid < 1 << 31
        ):
            return
        self._known_pid = pid
        self.foreign_pid = None if self._belongs(pid) else pid
        if self.foreign_pid is not None:
            self._say_once(
                "pid",
                f"{self.path} names pid {pid}, which is not of the program that is watched; it counts all the same "
                "(it may come from inside a container), but look whether somebody else writes this file",
            )

    def _check_interval(self, interval: object) -> None:
        if not isinstance(interval, int | float) or isinstance(interval, bool) or not 0 < interval < YEAR_S:
            return
        if self._timeout_s < self._beats_wanted * interval:
            self._say_once(
                "interval",
                f"the program beats every {format_duration(interval)}, so a timeout of "
                f"{format_duration(self._timeout_s)} is short; "
                f"better: --heartbeat-timeout {exact_duration(3 * interval)}",
            )

    def _signature(self) -> Signature | None:
        try:
            found = os.stat(self.path)
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None  # not yet, no more, or never
        except OSError as error:
            self._say_once(
                "hidden", f"{self.path} cannot be looked at: {in_words(error)}; no heartbeat is seen"
            )
            return None
        if not stat.S_ISREG(found.st_mode):
            self._say_once(
                "kind", f"{self.path} is not a file; there is no heartbeat as long as that lies there"
            )
            return None
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns

    def _peek(self) -> bytes | None:
        try:
            return self._read()
        except NotABeatError:
            return None

    def _read(self) -> bytes:
        try:
            # A pipe may have taken the file's place since we looked: never wait for a writer.
            descriptor = sharing.to_read(self.path)
        except OSError as error:
            raise NotABeatError(f"cannot be read: {in_words(error)}") from error
        try:
            content = b""
            while len(content) <= READ_LIMIT:
                part = os.read(descriptor, READ_LIMIT + 1 - len(content))
                if not part:
                    break
                content += part
        except OSError as error:
            raise NotABeatError(f"cannot be read: {in_words(error)}") from error
        finally:
            os.close(descriptor)
        return content

    def _say_once(self, topic: str, message: str) -> None:
        if topic not in self._said:
            self._said.add(topic)
            self._say(Notice("heartbeat", message))


def _as_text(value: object) -> str | None:
    return None if value is None else json.dumps(value, sort_keys=True)

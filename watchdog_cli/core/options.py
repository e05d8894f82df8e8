"""The table of all settings of the watchdog; options, variables, file, help and manual come from it."""

from collections.abc import Mapping

from watchdog_cli.core.names import DEFAULT_NAME, parse_name
from watchdog_cli.core.policy import AliveWhen, Restart
from watchdog_cli.core.settings import Settings, build
from watchdog_kit import kinds
from watchdog_kit.kinds import Kind
from watchdog_kit.settings import Setting

__all__ = ["ENV_PREFIX", "GROUPS", "OPTIONS", "Settings", "build", "foreign_variables"]

ENV_PREFIX = "WATCHDOG_"
GROUPS = ("Liveness", "Restart", "Stop", "Logs", "General")

# Set by a service manager for us, by us for the child, or read by another command; never settings.
_FOREIGN = (
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "WATCHDOG_RUN_ID",
    "WATCHDOG_STATE",
    "WATCHDOG_WEB_TOKEN",
)

OPTIONS: tuple[Setting, ...] = (
    Setting(
        "heartbeat",
        kinds.path("FILE", example="heartbeat.json"),
        "heartbeat.json",
        "Liveness",
        "The file that your program rewrites or touches while it works; silence of this file means that it hangs.",
        "the name that the users' trackers write",
    ),
    Setting(
        "heartbeat-timeout",
        kinds.duration(),
        120.0,
        "Liveness",
        "How long the program may give no sign of life before it counts as hung and is restarted.",
        "chosen: twice the 60 s at which the tracker beats",
    ),
    Setting(
        "start-grace",
        kinds.duration(),
        None,
        "Liveness",
        "How long a freshly started program may take until its first sign of life.",
        "chosen",
        default_text="as heartbeat-timeout",
    ),
    Setting(
        "no-heartbeat",
        kinds.flag(),
        False,
        "Liveness",
        "Only watch that the process is there; never restart a program for being silent.",
        "chosen: a frozen program should be noticed",
        off_option="with-heartbeat",
    ),
    Setting(
        "sd-notify",
        kinds.flag(),
        False,
        "Liveness",
        "Take signs of life by the notify protocol of systemd (WATCHDOG=1), which many servers speak.",
        "chosen",
    ),
    Setting(
        "alive-on-output",
        kinds.flag(),
        False,
        "Liveness",
        "Take everything that the program prints as a sign of life.",
        "chosen: a program may print in a loop and do no work",
    ),
    Setting(
        "alive-when",
        kinds.choice(AliveWhen),
        AliveWhen.ANY,
        "Liveness",
        "With several sources of life: is a sign from any of them enough, or must all of them give signs?",
        "chosen: the rule that never kills falsely",
    ),
    Setting(
        "progress-key",
        kinds.text("KEY", example="lastCycle", off=True),
        None,
        "Liveness",
        "A value inside the heartbeat file that must change from time to time: beating alone is not working.",
        "chosen",
    ),
    Setting(
        "progress-timeout",
        kinds.duration(),
        600.0,
        "Liveness",
        "How long the value of progress-key may stay the same before the program counts as hung.",
        "chosen: 60 cycles of the tracker",
    ),
    Setting(
        "restart",
        kinds.choice(Restart),
        Restart.ALWAYS,
        "Restart",
        "After which ends the program is started again: each one, only failures and hangs, or none.",
        "chosen: what runs under a watchdog must not stop",
    ),
    Setting(
        "restart-delay",
        kinds.duration(least_s=0.001, zero=True),
        5.0,
        "Restart",
        "How long to wait between the end of the program and its next start; 0 starts it at once.",
        "as the system that this one succeeds",
    ),
    Setting(
        "max-restarts",
        kinds.whole(unlimited=True),
        10,
        "Restart",
        "How many restarts may fall into one restart-window before the watchdog gives up; 0 never restarts.",
        "chosen: 10 in 5 minutes is a program that cannot run",
    ),
    Setting(
        "restart-window",
        kinds.duration(),
        300.0,
        "Restart",
        "The time in which restarts are counted for max-restarts; older ones are forgotten.",
        "chosen, with max-restarts",
    ),
    Setting(
        "backoff",
        kinds.flag(),
        False,
        "Restart",
        "Let the delay grow from restart to restart while the program keeps dying.",
        "chosen: a steady delay is easier to foresee",
    ),
    Setting(
        "backoff-max",
        kinds.duration(),
        300.0,
        "Restart",
        "The longest delay to which backoff may grow.",
        "the ceiling that Kubernetes uses",
    ),
    Setting(
        "retry-after",
        kinds.duration(off=True),
        None,
        "Restart",
        "After giving up do not exit, but try again that often until the program runs.",
        "chosen: giving up should be seen from outside",
    ),
    Setting(
        "memory-limit",
        kinds.size(least=1_000_000, off=True),
        None,
        "Restart",
        "Restart the program when it and all that it started use more memory than this.",
        "chosen: nobody but you knows the right size",
    ),
    Setting(
        "stop-timeout",
        kinds.duration(),
        10.0,
        "Stop",
        "How long the program may take to save and end after it was asked to, before it is killed.",
        "the default of docker stop; 8s where the watchdog is process 1 of a container, to be done before that",
    ),
    Setting(
        "dump-timeout",
        kinds.duration(zero=True),
        2.0,
        "Stop",
        "How long a hung program may take to print where it hangs before it is stopped; 0 does not ask it.",
        "chosen",
    ),
    Setting(
        "log-dir",
        kinds.path("DIR", example="logs"),
        "logs",
        "Logs",
        "The folder for what the program prints and for what the watchdog reports.",
        "chosen",
    ),
    Setting(
        "log-size",
        kinds.size(least=4_000),
        10_000_000,
        "Logs",
        "When a log reaches this size it is set aside and a new one is begun.",
        "chosen",
    ),
    Setting(
        "log-backups",
        kinds.whole(most=999),
        5,
        "Logs",
        "How many logs that were set aside are kept; 0 keeps none.",
        "chosen: 60MB for one program at most",
    ),
    Setting(
        "python-unbuffered",
        kinds.flag(),
        True,
        "Logs",
        "Let Python programs print each line at once, by PYTHONUNBUFFERED=1 unless that is set already.",
        "chosen: lines that wait in a buffer are lost when the program dies",
    ),
    Setting(
        "name",
        Kind("NAME", parse_name, example=DEFAULT_NAME),
        DEFAULT_NAME,
        "General",
        "What to call the program; tells several watchdogs in one folder apart.",
        "the program that this watchdog was made for",
    ),
    Setting(
        "quiet",
        kinds.flag(),
        False,
        "General",
        "Do not show what the program prints; it goes to the log only.",
        "chosen",
    ),
)


def foreign_variables(environ: Mapping[str, str]) -> frozenset[str]:
    """Name the variables with our prefix that are no settings.

    Inside a supervised program (it knows its run) WATCHDOG_HEARTBEAT tells that program where to beat.
    """
    inside = ("WATCHDOG_HEARTBEAT",) if "WATCHDOG_RUN_ID" in environ else ()
    return frozenset((*_FOREIGN, *inside))

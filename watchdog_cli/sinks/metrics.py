"""What ``status`` and ``report`` know, as metrics in the text form of Prometheus.

The library comes with the extra ``metrics`` and is loaded only here.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from math import isfinite
from typing import TYPE_CHECKING

from watchdog_cli import __version__
from watchdog_cli.core.errors import ConfigError
from watchdog_cli.core.report import WELL, Health, State, StatusReport
from watchdog_cli.core.uptime import Kind
from watchdog_cli.core.uptime_report import UptimeReport

if TYPE_CHECKING:
    from prometheus_client.core import Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
FIELDS = 20  # numbers inside the heartbeat that are passed on
LONGEST_LABEL = 240
WHO = ["name", "folder"]

Look = tuple[StatusReport, UptimeReport | None]


def metrics_text(looks: Iterable[Look]) -> bytes:
    """All metrics of some watchdogs.

    Args:
        looks: how each one is, and how it was; None where nothing of the past is known.
    Raises:
        ConfigError: the extra is not installed.
    """
    try:
        from prometheus_client import CollectorRegistry, generate_latest
        from prometheus_client.registry import Collector
    except ImportError as error:
        raise ConfigError(
            "metrics need the extra 'metrics': pip install 'tracker-watchdog[metrics]'"
        ) from error

    class OneLook(Collector):
        def collect(self) -> Iterator["Metric"]:
            yield from _families(list(looks))

    registry = CollectorRegistry()
    registry.register(OneLook())
    return generate_latest(registry)


class _Families:
    """Metrics by name, each with its samples; their order is that of their first sample."""

    def __init__(self) -> None:
        self._found: dict[str, Metric] = {}

    def gauge(self, name: str, text: str, who: list[str], value: float | None, **labels: str) -> None:
        """Add a value that may rise and fall; nothing if there is none."""
        from prometheus_client.core import GaugeMetricFamily

        if value is None or not isfinite(value):
            return
        family = self._found.get(name)
        if family is None:
            family = self._found[name] = GaugeMetricFamily(name, text, labels=[*WHO, *labels])
        assert isinstance(family, GaugeMetricFamily)
        family.add_metric([*who, *map(_label, labels.values())], value)

    def counter(self, name: str, text: str, who: list[str], value: float) -> None:
        """Add a value that only rises; the library puts ``_total`` behind its name."""
        from prometheus_client.core import CounterMetricFamily

        family = self._found.get(name)
        if family is None:
            family = self._found[name] = CounterMetricFamily(name, text, labels=WHO)
        assert isinstance(family, CounterMetricFamily)
        family.add_metric(who, value)

    def all(self) -> Iterator["Metric"]:
        """Each metric once, with the values of all watchdogs."""
        yield from self._found.values()


def _families(looks: list[Look]) -> Iterator["Metric"]:
    families = _Families()
    for report, past in looks:
        who = [_label(report.name), _label(report.folder)]
        _present(families, who, report)
        if past is not None:
            _past(families, who, past)
    yield from families.all()


def _present(families: _Families, who: list[str], report: StatusReport) -> None:
    gauge = families.gauge
    gauge("watchdog_info", "Which version made these metrics.", who, 1, version=__version__)
    answers = report.watchdog is not None and report.health is not Health.FROZEN
    gauge("watchdog_supervisor_up", "1 while the watchdog itself lives and answers.", who, answers)
    gauge("watchdog_program_up", "1 while the program runs.", who, report.child is not None)
    gauge("watchdog_program_healthy", "1 while it runs and gives signs of life.", who, report.health in WELL)
    for state in State:
        text = "1 for what the process does: one of the states of watchdog status."
        gauge("watchdog_state", text, who, report.state is state, state=state.value)
    for health in Health:
        text = "1 for how well it does it: one of the healths of watchdog status."
        gauge("watchdog_health", text, who, report.health is health, health=health.value)
    if report.restarts is not None:
        restarts = report.restarts
        families.counter("watchdog_restarts", "Restarts that nobody asked for, ever.", who, restarts.total)
        text = "Restarts that count towards the limit just now."
        gauge("watchdog_restarts_in_window", text, who, restarts.in_window)
        text = "At how many restarts within the window the watchdog gives up; absent when it never does."
        gauge("watchdog_restarts_limit", text, who, restarts.cap)
        gauge("watchdog_restart_window_seconds", "How long a restart counts.", who, restarts.window_s)
    if report.child is not None:
        child = report.child
        text = "When the program was started, in unix seconds."
        gauge("watchdog_program_start_time_seconds", text, who, _unix(child.started_at))
        gauge("watchdog_program_memory_bytes", "Resident memory of its whole tree.", who, child.rss_bytes)
        text = "Processors that it used on average since its start."
        gauge("watchdog_program_cpu_ratio", text, who, _share(child.cpu_percent))
    if report.heartbeat is not None:
        beat = report.heartbeat
        gauge("watchdog_heartbeat_age_seconds", "Time since its last sign of life.", who, beat.age_s)
        gauge("watchdog_heartbeat_timeout_seconds", "Silence that counts as a hang.", who, beat.timeout_s)
        numbers = [
            (key, value)
            for key, value in beat.fields.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        ]
        for key, value in numbers[:FIELDS]:
            text = "Numbers that the program writes into its heartbeat."
            gauge("watchdog_heartbeat_field", text, who, float(value), field=key)
    if report.lease is not None:
        text = "1 while this machine holds the lease, 0 while it stands by; absent without one."
        gauge("watchdog_lease_held", text, who, report.lease.held)
        text = "1 while this machine finds no way to the lease, so that it could not take over."
        gauge("watchdog_lease_cut_off", text, who, report.lease.cut_off)
    gauge("watchdog_log_size_bytes", "Size of the newest file of its log.", who, report.log_bytes)


def _past(families: _Families, who: list[str], past: UptimeReport) -> None:
    gauge = families.gauge
    for window in past.windows[:-1]:
        totals = window.totals
        text = "Share of the time that somebody watched in which it was up, by window."
        gauge("watchdog_uptime_ratio", text, who, totals.uptime, window=window.name)
        lengths = {
            Kind.UP: totals.up_s,
            Kind.DOWN: totals.down_s,
            Kind.PLANNED: totals.planned_s,
            Kind.STANDBY: totals.standby_s,
            Kind.UNKNOWN: totals.unknown_s,
        }
        for kind, length in lengths.items():
            text = "Time in the window that it was up, down, stopped on purpose, standing by, or watched by nobody."
            gauge("watchdog_time_seconds", text, who, length, window=window.name, kind=kind.value)
        text = "Ends that nobody asked for, and starts that failed, by window."
        gauge("watchdog_failures", text, who, window.ends, window=window.name)
        text = "Mean time that it was up between failures; absent without one."
        gauge("watchdog_mean_time_between_failures_seconds", text, who, window.mtbf_s, window=window.name)
        text = "Mean time that it was down after a failure; absent without one."
        gauge("watchdog_mean_time_to_repair_seconds", text, who, window.mttr_s, window=window.name)
    window_name = past.asked.name
    by_cause: dict[str, int] = {}
    for cause in past.causes:
        by_cause[cause.cause] = by_cause.get(cause.cause, 0) + cause.count
    for cause_name, count in by_cause.items():
        text = "The same by cause."
        gauge("watchdog_failures_by_cause", text, who, count, window=window_name, cause=cause_name)
    if past.last_failure is not None:
        text = "When it last ended unasked, in unix seconds; absent when not within a day."
        gauge("watchdog_last_failure_time_seconds", text, who, past.last_failure.at)
    if past.latest is not None:
        text = "Processors that it used over the last minutes."
        gauge("watchdog_program_cpu_recent_ratio", text, who, past.latest.cpu)
    if past.growth is not None:
        text = "Slope of its memory within one run, peaks and start left out."
        gauge("watchdog_memory_growth_bytes_per_second", text, who, past.growth.bytes_per_s)
        text = "1 while that slope is steady and large enough to be a leak."
        gauge("watchdog_memory_growing", text, who, past.growth.is_steady)


def _label(text: str) -> str:
    """A label that cannot grow without end and can be written; the library escapes what is special."""
    shown = text if len(text) <= LONGEST_LABEL else f"{text[:LONGEST_LABEL]}…"
    return shown.encode("utf-8", "replace").decode()  # the name of a folder may hold any bytes


def _unix(at: str | None) -> float | None:
    try:
        return None if at is None else datetime.fromisoformat(at).timestamp()
    except ValueError:
        return None


def _share(percent: float | None) -> float | None:
    return None if percent is None else percent / 100

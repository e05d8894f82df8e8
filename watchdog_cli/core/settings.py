"""From single values to the settings of one watchdog, with every contradiction between them found."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from watchdog_cli.core import lease_settings
from watchdog_cli.core.alerting import AlertSettings
from watchdog_cli.core.lease_settings import CERTIFICATES, LeaseSettings, parse_address
from watchdog_cli.core.policy import AliveWhen, Policy, Restart, Source
from watchdog_kit.quantities import exact_duration
from watchdog_kit.records import dataclass
from watchdog_kit.settings import Layer, Loaded, SettingsError

STOP_TIMEOUT_AS_PID1_S = 8.0  # a container engine kills everything after 10 s; we must be done before


@dataclass(frozen=True, slots=True)
class Settings:
    """All that one watchdog was told."""

    name: str
    folder: str  # absolute
    policy: Policy
    heartbeat: str  # as given; relative to folder
    log_dir: str  # as given; relative to folder
    log_size: int  # bytes
    log_backups: int
    quiet: bool
    python_unbuffered: bool
    history: bool
    alerts: AlertSettings
    lease: LeaseSettings | None
    explicit: frozenset[str]  # the keys that somebody set and that count
    origins: Mapping[str, str]  # by key: where the value came from
    values: Mapping[str, Any]  # by key: the effective values


class _Clash(NamedTuple):
    """While ``switches`` stand like this, ``needless`` must not be set."""

    switches: tuple[str, ...]
    holds: Callable[[Mapping[str, Any]], bool]
    says: str  # ends the sentence "max-restarts makes no sense with ..."
    needless: tuple[str, ...]
    remedy: str


_CLASHES = (
    _Clash(
        ("no-heartbeat",),
        lambda values: values["no-heartbeat"],
        "no-heartbeat",
        (
            "heartbeat",
            "heartbeat-timeout",
            "start-grace",
            "sd-notify",
            "alive-on-output",
            "alive-when",
            "progress-key",
            "progress-timeout",
        ),
        "no-heartbeat watches the process only; leave one of the two out",
    ),
    _Clash(
        ("restart",),
        lambda values: values["restart"] is Restart.NEVER,
        "restart=never",
        ("max-restarts", "retry-after", "backoff", "backoff-max"),
        "nothing is ever started again; leave one of the two out",
    ),
    _Clash(
        ("max-restarts",),
        lambda values: values["max-restarts"] is None,
        "max-restarts=unlimited",
        ("retry-after", "restart-window"),
        "the watchdog then never gives up; leave one of the two out",
    ),
    _Clash(
        ("backoff",),
        lambda values: not values["backoff"],
        "backoff off",
        ("backoff-max",),
        "add backoff, or leave it out",
    ),
    _Clash(
        ("progress-key",),
        lambda values: values["progress-key"] is None,
        "no progress-key",
        ("progress-timeout",),
        "add a progress-key such as lastCycle, or leave it out",
    ),
    _Clash(
        ("lease",),
        lambda values: values["lease"] is None,
        "no lease",
        ("lease-ttl", "lease-lost", "lease-carry"),
        "add a lease such as etcd://127.0.0.1:2379/tracker, or leave it out",
    ),
    _Clash(
        ("sd-notify", "alive-on-output"),
        lambda values: not (values["sd-notify"] or values["alive-on-output"]),
        "only one source of life",
        ("alive-when",),
        "add sd-notify or alive-on-output, or leave it out",
    ),
)


def build(
    loaded: Loaded, *, folder: str, resolve: Callable[[str], str] | None = None, pid1: bool = False
) -> Settings:
    """Put the loaded values together.

    A value that contradicts another one is an error, unless the other one comes from a higher place: then
    it is only not used, so that ``--no-heartbeat`` on the command line does what it says for this once.

    Args:
        loaded: the value of each setting in ``OPTIONS``.
        folder: absolute path of the folder in which the program runs.
        resolve: turns a path, relative to the folder, into the one true path of that file.
        pid1: we are the first process of a container.

    Raises:
        SettingsError: two settings contradict each other; the text names both.
    """
    loaded = _without_clashes(loaded)
    values, origins = dict(loaded.values), dict(loaded.origins)
    explicit = loaded.explicit
    if "start-grace" not in explicit:
        values["start-grace"], origins["start-grace"] = values["heartbeat-timeout"], "as heartbeat-timeout"
    if pid1 and "stop-timeout" not in explicit:
        values["stop-timeout"], origins["stop-timeout"] = STOP_TIMEOUT_AS_PID1_S, "default as process 1"
    _check_backoff(loaded)
    _check_telegram(loaded)
    _check_lease(loaded)
    _check_paths(loaded, resolve or (lambda path: path if path.startswith("/") else f"{folder}/{path}"))
    return Settings(
        name=values["name"],
        folder=folder,
        policy=_policy(values, explicit),
        heartbeat=values["heartbeat"],
        log_dir=values["log-dir"],
        log_size=values["log-size"],
        log_backups=values["log-backups"],
        quiet=values["quiet"],
        python_unbuffered=values["python-unbuffered"],
        history=values["history"],
        alerts=_alerts(values),
        lease=lease_settings.build(values),
        explicit=explicit,
        origins=origins,
        values=values,
    )


def _policy(values: Mapping[str, Any], explicit: frozenset[str]) -> Policy:
    asked = {Source.NOTIFY: values["sd-notify"], Source.OUTPUT: values["alive-on-output"]}
    others = frozenset(source for source, wanted in asked.items() if wanted)
    file_asked = "heartbeat" in explicit
    # Where all sources must give signs (and there are others: else it would be a contradiction), a file that
    # nobody asked for must not be one of them.
    file_counts = file_asked or values["alive-when"] is AliveWhen.ANY
    return Policy(
        heartbeat_timeout_s=values["heartbeat-timeout"],
        start_grace_s=values["start-grace"],
        judge_silence=file_asked or bool(others),
        no_heartbeat=values["no-heartbeat"],
        sources=others | {Source.FILE} if file_counts else others,
        alive_when=values["alive-when"],
        progress_key=values["progress-key"],
        progress_timeout_s=values["progress-timeout"],
        restart=values["restart"],
        restart_delay_s=values["restart-delay"],
        max_restarts=values["max-restarts"],
        restart_window_s=values["restart-window"],
        backoff=values["backoff"],
        backoff_max_s=values["backoff-max"],
        retry_after_s=values["retry-after"],
        stop_timeout_s=values["stop-timeout"],
        dump_timeout_s=values["dump-timeout"],
        memory_limit=values["memory-limit"],
        lease=values["lease-lost"] if values["lease"] is not None else None,
    )


def _alerts(values: Mapping[str, Any]) -> AlertSettings:
    return AlertSettings(
        telegram_token=values["telegram-token"],
        telegram_chat=values["telegram-chat"],
        telegram_url=values["telegram-url"],
        webhook_url=values["webhook-url"],
        notify_url=values["notify-url"],
        after=values["alert-after"],
        gap_s=values["alert-gap"],
        stable_s=values["alert-stable"],
        queue=values["alert-queue"],
    )


def _without_clashes(loaded: Loaded) -> Loaded:
    """Take out what a higher place overrules, and refuse the contradictions that remain."""
    values, origins, layers = dict(loaded.values), dict(loaded.origins), dict(loaded.layers)
    for clash in _CLASHES:
        if not clash.holds(values):
            continue
        switch = max(clash.switches, key=lambda key: layers[key])
        for key in clash.needless:
            if layers[key] is Layer.DEFAULT or not _asks(key, values[key]):
                continue
            if layers[switch] <= layers[key]:
                raise _contradiction(
                    loaded, key, switch, f"it makes no sense with {clash.says}", clash.remedy
                )
            values[key] = loaded.defaults[key]
            layers[key] = Layer.DEFAULT
            origins[key] = f"default; {origins[key]} is not used with {clash.says}"
    return Loaded(values, origins, layers, loaded.defaults)


def _asks(key: str, value: object) -> bool:
    """Say whether the value asks for something: a switch that is off and a limit that is off do not."""
    return key == "max-restarts" or (value is not None and value is not False)


def _check_backoff(loaded: Loaded) -> None:
    delay_s, most_s = loaded.values["restart-delay"], loaded.values["backoff-max"]
    if loaded.values["backoff"] and most_s < delay_s:
        key, other = "backoff-max", "restart-delay"
        if loaded.layers[key] is Layer.DEFAULT:
            key, other = other, key
        what = f"backoff-max {exact_duration(most_s)} is below restart-delay {exact_duration(delay_s)}"
        raise _contradiction(loaded, key, other, what, "the delay starts there and can only grow")


def _check_telegram(loaded: Loaded) -> None:
    """A bot without a chat would be silent, and nobody would know."""
    there, missing = "telegram-token", "telegram-chat"
    if loaded.values[there] is None:
        there, missing = missing, there
    if loaded.values[there] is not None and loaded.values[missing] is None:
        reason = f"it is set but {missing} is not; set both, or neither"
        raise SettingsError(there, loaded.place(there), reason, loaded.layers[there])


def _check_lease(loaded: Loaded) -> None:
    """Refuse what would leave the way to etcd less safe than somebody believes, wherever it was written."""
    values = loaded.values
    if values["lease"] is None:
        return
    bare = not parse_address(values["lease"]).tls
    for key, useless, says in (
        *((key, bare, "the lease is without TLS; write its address with etcds://") for key in CERTIFICATES),
        ("lease-key", values["lease-cert"] is None, "lease-cert is not; name the certificate it belongs to"),
        ("lease-password", values["lease-user"] is None, "lease-user is not; name the user whose it is"),
    ):
        if useless and values[key] is not None:
            reason = f"it is set but {says}, or leave it out"
            raise SettingsError(key, loaded.place(key), reason, loaded.layers[key])


def _check_paths(loaded: Loaded, resolve: Callable[[str], str]) -> None:
    """Refuse a heartbeat file that is one of the files which the watchdog writes."""
    name, log_dir, heartbeat = (loaded.values[key] for key in ("name", "log-dir", "heartbeat"))
    beat_path = resolve(heartbeat)
    logs = [resolve(f"{log_dir}/{name}{ending}") for ending in (".log", ".watchdog.log")]
    for path in logs:
        rotated = beat_path.startswith(f"{path}.") and beat_path[len(path) + 1 :].isdigit()
        if beat_path == path or rotated:
            raise _contradiction(
                loaded, "heartbeat", "log-dir", f"{heartbeat} is a log of the watchdog", "pick another file"
            )
    if resolve(log_dir) == beat_path:
        raise _contradiction(
            loaded, "heartbeat", "log-dir", f"{heartbeat} is the folder of the logs", "pick another file"
        )
    state = resolve(".watchdog")
    if beat_path == state or any(beat_path.startswith(f"{state}{slash}") for slash in "/\\"):
        reason = f"{heartbeat} lies among the watchdog's own files in .watchdog; pick another place"
        raise SettingsError("heartbeat", loaded.place("heartbeat"), reason, loaded.layers["heartbeat"])


def _contradiction(loaded: Loaded, key: str, other: str, what: str, remedy: str) -> SettingsError:
    """Name both settings and both places; the more recent place decides whose mistake it is."""
    place = f" ({loaded.place(other)})" if loaded.layers[other] > Layer.DEFAULT else ""
    layer = max(loaded.layers[key], loaded.layers[other])
    return SettingsError(key, loaded.place(key), f"{what}{place}; {remedy}", layer)

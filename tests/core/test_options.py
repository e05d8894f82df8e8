"""The table of settings, and what single values become together."""

import json
from dataclasses import fields

import pytest

from settings_page import PAGE, renewed, table_text
from watchdog_cli.core.alerting import AlertSettings
from watchdog_cli.core.lease import OnLost
from watchdog_cli.core.lease_settings import LeaseAddress, LeaseSettings
from watchdog_cli.core.options import ENV_PREFIX, GROUPS, OPTIONS, foreign_variables
from watchdog_cli.core.policy import AliveWhen, Policy, Restart, Source
from watchdog_cli.core.settings import build
from watchdog_kit.settings import Layer, SettingsError, load


def settings(given=None, environ=None, in_file=None, *, pid1=False):
    """Build settings for the folder /srv/app from these places."""
    loaded = load(
        OPTIONS,
        program="watchdog",
        given=given or {},
        environ=environ or {},
        env_prefix=ENV_PREFIX,
        file_values=in_file or {},
        file_name="watchdog.toml",
        foreign=foreign_variables(environ or {}),
    )
    return build(loaded, folder="/srv/app", pid1=pid1)


def refused(**places):
    """Return the error of building settings from these places."""
    with pytest.raises(SettingsError) as caught:
        settings(**places)
    assert "\n" not in str(caught.value)
    return caught.value


def test_the_table_is_complete_and_clear():
    """Each setting has one name, a known group, a sentence of help and a reason for its default."""
    assert len({setting.key for setting in OPTIONS}) == len(OPTIONS)
    for setting in OPTIONS:
        assert setting.group in GROUPS
        assert setting.help[0].isupper()
        assert setting.help.endswith((".", "?"))
        assert len(setting.help) <= 110
        assert setting.why
        assert setting.key == setting.key.lower()


def test_each_default_can_be_written():
    """Each default, as it is shown, is read as the same value."""
    for setting in OPTIONS:
        if not setting.default_text:
            assert setting.kind.parse(setting.show(setting.default)) == setting.default, setting.key


def test_the_defaults_are_those_of_the_policy():
    """What the table promises is what supervision does when nobody sets anything."""
    built = settings()
    assert built.policy == Policy()
    assert (built.name, built.folder) == ("tracker", "/srv/app")
    assert (built.heartbeat, built.log_dir) == ("heartbeat.json", "logs")
    assert (built.log_size, built.log_backups) == (10_000_000, 5)
    assert (built.quiet, built.python_unbuffered) == (False, True)
    assert built.explicit == frozenset()
    assert set(built.values) == set(built.origins) == {setting.key for setting in OPTIONS}


def test_each_setting_reaches_its_place():
    """No setting is read and then forgotten."""
    in_file = {
        "heartbeat": "beat.json",
        "heartbeat-timeout": "3s",
        "start-grace": "4s",
        "sd-notify": True,
        "alive-on-output": True,
        "alive-when": "all",
        "progress-key": "lastCycle",
        "progress-timeout": "5s",
        "restart": "on-failure",
        "restart-delay": 0,
        "max-restarts": 3,
        "restart-window": "6s",
        "backoff": True,
        "backoff-max": "7s",
        "retry-after": "8s",
        "memory-limit": "9MB",
        "stop-timeout": "10ms",
        "dump-timeout": 0,
        "log-dir": "/var/log/app",
        "log-size": "12kB",
        "log-backups": 0,
        "quiet": True,
        "python-unbuffered": False,
        "name": "bot",
        "telegram-token": "123:abc",
        "telegram-chat": -1001,
        "telegram-url": "http://127.0.0.1:9/x",
        "webhook-url": "https://me:secret@hooks.example.org/a?b=c",
        "notify-url": "ntfy://topic",
        "alert-after": 2,
        "alert-gap": "10s",
        "alert-stable": 0,
        "alert-queue": 7,
        "history": False,
        "lease": "etcds://a,[::1]:4/t/",
        "lease-ttl": "9s",
        "lease-lost": "keep",
        "lease-carry": ["a.json", "b/c.txt"],
        "lease-user": "me",
        "lease-password": "sesame",
        "lease-ca": "ca.pem",
        "lease-cert": "me.pem",
        "lease-key": "me.key",
    }
    built = settings(in_file=in_file)
    of_the_page = {setting.key for setting in OPTIONS if setting.group == "Page"}  # read by the page itself
    assert set(in_file) | {"no-heartbeat"} == {setting.key for setting in OPTIONS} - of_the_page
    assert built.explicit == set(in_file)
    assert built.history is False
    assert built.alerts == AlertSettings(
        telegram_token="123:abc",
        telegram_chat="-1001",
        telegram_url="http://127.0.0.1:9/x",
        webhook_url="https://me:secret@hooks.example.org/a?b=c",
        notify_url="ntfy://topic",
        after=2,
        gap_s=10.0,
        stable_s=0.0,
        queue=7,
    )
    assert built.policy.lease is OnLost.KEEP
    assert built.lease == LeaseSettings(
        address=LeaseAddress(tls=True, endpoints=(("a", 2379), ("::1", 4)), key="t"),
        ttl_s=9.0,
        lost=OnLost.KEEP,
        carry=("a.json", "b/c.txt"),
        user="me",
        password="sesame",
        ca_file="ca.pem",
        cert_file="me.pem",
        key_file="me.key",
    )
    assert "sesame" not in repr(built.lease)
    shown = repr(built.alerts)
    assert not any(secret in shown for secret in ("abc", "1001", "secret", "topic"))
    assert built.policy == Policy(
        heartbeat_timeout_s=3.0,
        start_grace_s=4.0,
        judge_silence=True,
        sources=frozenset(Source),
        alive_when=AliveWhen.ALL,
        progress_key="lastCycle",
        progress_timeout_s=5.0,
        restart=Restart.ON_FAILURE,
        restart_delay_s=0.0,
        max_restarts=3,
        restart_window_s=6.0,
        backoff=True,
        backoff_max_s=7.0,
        retry_after_s=8.0,
        stop_timeout_s=0.01,
        dump_timeout_s=0.0,
        memory_limit=9_000_000,
        lease=OnLost.KEEP,
    )
    assert (built.name, built.heartbeat, built.log_dir) == ("bot", "beat.json", "/var/log/app")
    assert (built.log_size, built.log_backups) == (12_000, 0)
    assert (built.quiet, built.python_unbuffered) == (True, False)
    assert settings(in_file={"no-heartbeat": True}).policy.no_heartbeat
    assert len(fields(Policy)) == 19  # a new number of the policy needs a setting here


def test_the_start_grace_follows_the_heartbeat_timeout():
    """Who changes only the timeout gets a grace of the same length; an own grace stays."""
    assert settings(given={"heartbeat-timeout": 30.0}).policy.start_grace_s == 30.0
    assert settings(given={"heartbeat-timeout": 30.0}).origins["start-grace"] == "as heartbeat-timeout"
    both = settings(given={"heartbeat-timeout": 30.0, "start-grace": 90.0})
    assert both.policy.start_grace_s == 90.0


def test_the_stop_is_shorter_as_the_first_process_of_a_container():
    """A container engine kills all after 10 s, so the default is below that; a set value stays."""
    assert settings(pid1=True).policy.stop_timeout_s == 8.0
    assert settings(given={"stop-timeout": 30.0}, pid1=True).policy.stop_timeout_s == 30.0
    assert settings().policy.stop_timeout_s == 10.0


@pytest.mark.parametrize(
    ("in_file", "sources", "judged"),
    [
        ({}, {"file"}, False),
        ({"heartbeat-timeout": "3s"}, {"file"}, False),
        ({"heartbeat": "heartbeat.json"}, {"file"}, True),
        ({"sd-notify": True}, {"file", "notify"}, True),
        ({"alive-on-output": True}, {"file", "output"}, True),
        ({"sd-notify": True, "alive-when": "all"}, {"notify"}, True),
        ({"sd-notify": True, "alive-on-output": True, "alive-when": "all"}, {"notify", "output"}, True),
        ({"sd-notify": True, "alive-when": "all", "heartbeat": "h"}, {"file", "notify"}, True),
    ],
)
def test_which_signs_of_life_count(in_file, sources, judged):
    """Where all sources must give signs, only those that somebody named are among them."""
    policy = settings(in_file=in_file).policy
    assert policy.sources == {Source(source) for source in sources}
    assert policy.judge_silence is judged


CONTRADICTIONS = [
    ({"no-heartbeat": True}, {"heartbeat": "h"}, "no-heartbeat"),
    ({"no-heartbeat": True}, {"heartbeat-timeout": "3s"}, "no-heartbeat"),
    ({"no-heartbeat": True}, {"start-grace": "3s"}, "no-heartbeat"),
    ({"no-heartbeat": True}, {"sd-notify": True}, "no-heartbeat"),
    ({"no-heartbeat": True}, {"alive-on-output": True}, "no-heartbeat"),
    ({"no-heartbeat": True}, {"progress-key": "lastCycle"}, "no-heartbeat"),
    ({"restart": "never"}, {"max-restarts": 3}, "restart=never"),
    ({"restart": "never"}, {"max-restarts": "unlimited"}, "restart=never"),
    ({"restart": "never"}, {"retry-after": "15m"}, "restart=never"),
    ({"restart": "never"}, {"backoff": True}, "restart=never"),
    ({"max-restarts": "unlimited"}, {"retry-after": "15m"}, "max-restarts=unlimited"),
    ({"max-restarts": "unlimited"}, {"restart-window": "1m"}, "max-restarts=unlimited"),
    ({"backoff": False}, {"backoff-max": "1m"}, "backoff"),
    ({}, {"backoff-max": "1m"}, "backoff"),
    ({}, {"progress-timeout": "1m"}, "progress-key"),
    ({}, {"alive-when": "all"}, "sd-notify"),
]


@pytest.mark.parametrize(("switch", "needless", "other"), CONTRADICTIONS)
def test_contradictions_name_both_settings(switch, needless, other):
    """Two settings that cannot both be meant are refused in one line with both names and their places."""
    (key,) = needless
    error = refused(in_file={**switch, **needless})
    assert str(error).startswith(f"watchdog.toml: {key}: ")
    assert other in error.reason
    assert error.key == key
    for other_key in switch:
        assert f"(watchdog.toml: {other_key})" in str(error)


@pytest.mark.parametrize(("switch", "needless", "other"), [case for case in CONTRADICTIONS if case[0]])
def test_a_higher_place_overrules_without_a_contradiction(switch, needless, other):
    """An option that makes a line of the file needless wins, and the line is shown as not used."""
    kinds = {setting.key: setting.kind for setting in OPTIONS}
    ((switch_key, written),) = switch.items()
    value = written if isinstance(written, bool) else kinds[switch_key].parse(written)
    (key,) = needless
    built = settings(given={switch_key: value}, in_file=needless)
    assert built.values[key] == settings(given={switch_key: value}).values[key]
    assert key not in built.explicit
    if key != "start-grace":
        assert built.origins[key].startswith(f"default; watchdog.toml: {key} is not used with ")
    assert other.split("=")[0] in {switch_key, "backoff"}


@pytest.mark.parametrize(("switch", "needless", "other"), [case for case in CONTRADICTIONS if case[0]])
def test_a_lower_place_does_not_overrule(switch, needless, other):
    """An option that makes no sense with a line of the file is refused as a wrong option."""
    kinds = {setting.key: setting.kind for setting in OPTIONS}
    ((key, written),) = needless.items()
    value = written if isinstance(written, bool) else kinds[key].parse(str(written))
    error = refused(given={key: value}, in_file=switch)
    assert str(error).startswith(f"--{key}: ")
    assert error.layer is Layer.OPTION
    assert other in str(error)


def test_what_is_off_contradicts_nothing():
    """A switch that is off and a limit that is off ask for nothing and go with everything."""
    in_file = {"restart": "never", "backoff": False, "retry-after": "off"}
    assert settings(in_file=in_file).policy.restart is Restart.NEVER
    assert settings(in_file={"no-heartbeat": True, "sd-notify": False}).policy.no_heartbeat


def test_harmless_numbers_go_with_never():
    """A delay that will never be used is no contradiction that anybody must mend."""
    built = settings(in_file={"restart": "never", "restart-delay": "1s", "restart-window": "1m"})
    assert built.policy.restart_delay_s == 1.0


def test_a_backoff_ceiling_below_the_delay():
    """A delay that begins above its own ceiling is refused, in whichever of the two it was set."""
    assert "below restart-delay 5s" in str(refused(in_file={"backoff": True, "backoff-max": "2s"}))
    error = refused(in_file={"backoff": True, "restart-delay": "10m"})
    assert error.key == "restart-delay"
    assert settings(in_file={"backoff": True, "backoff-max": "5s"}).policy.backoff_max_s == 5.0


@pytest.mark.parametrize(
    "heartbeat",
    [
        "logs/tracker.log",
        "logs/tracker.watchdog.log",
        "logs/tracker.log.1",
        "/srv/app/logs/tracker.log",
        "logs",
        ".watchdog",
        ".watchdog/tracker/state.json",
    ],
)
def test_a_heartbeat_must_not_be_a_file_of_the_watchdog(heartbeat):
    """A program that rewrites our own files would look alive by our writing, or destroy them."""
    assert refused(in_file={"heartbeat": heartbeat}).key == "heartbeat"


def test_a_log_folder_that_is_the_heartbeat():
    """The default heartbeat is protected from a log folder of the same name too."""
    assert "heartbeat.json is the folder of the logs" in str(refused(in_file={"log-dir": "heartbeat.json"}))


@pytest.mark.parametrize(
    "heartbeat", ["logs/beat.json", "logs/tracker.log.old", "tracker.log", "a b/قلب.json"]
)
def test_any_other_file_may_be_the_heartbeat(heartbeat):
    """Files beside ours are free to use."""
    assert settings(in_file={"heartbeat": heartbeat}).heartbeat == heartbeat


@pytest.mark.parametrize(
    ("text", "outcome"),
    [("0", 0), ("10", 10), ("unlimited", None), ("-1", ""), ("1e12", ""), ("1000000000000", ""), ("abc", "")],
)
def test_the_cap_of_restarts(text, outcome):
    """The cap is a whole number or the word unlimited; 0 means never, everything else is an error."""
    if outcome == "":
        assert "whole number from 0 to 1000000, or unlimited" in str(refused(in_file={"max-restarts": text}))
    else:
        assert settings(in_file={"max-restarts": text}).policy.max_restarts == outcome


@pytest.mark.parametrize(
    "key", ["heartbeat-timeout", "start-grace", "restart-window", "stop-timeout", "retry-after"]
)
def test_nothing_where_nothing_makes_no_sense(key):
    """A time of 0 is refused where it would mean to act before anything could happen."""
    assert "too short" in str(refused(in_file={key: 0}))


def test_inside_a_supervised_program():
    """The heartbeat that a watchdog told its program is no setting of a watchdog inside that program."""
    environ = {"WATCHDOG_RUN_ID": "r1", "WATCHDOG_HEARTBEAT": "/elsewhere/h.json", "WATCHDOG_QUIET": "1"}
    built = settings(environ=environ)
    assert built.heartbeat == "heartbeat.json"
    assert not built.policy.judge_silence
    assert built.quiet
    del environ["WATCHDOG_RUN_ID"]
    assert settings(environ=environ).heartbeat == "/elsewhere/h.json"


FOREIGN = [f"WATCHDOG_{word}" for word in ("USEC", "PID", "STATE", "STOP_FILE", "WEB_TOKEN")]


@pytest.mark.parametrize("name", FOREIGN)
def test_variables_of_others_are_left_alone(name):
    """What a service manager or another command uses is neither a setting nor a mistake."""
    assert settings(environ={name: "123"}).explicit == frozenset()


def test_the_manual_lists_the_settings_as_they_are():
    """The table in the manual is the one that the settings give; tests/settings_page.py writes it anew."""
    page = PAGE.read_text("utf-8")
    assert page == renewed(page, table_text(GROUPS, OPTIONS))


def test_the_values_can_be_written_as_json():
    """Every effective value is plain enough for programs to read."""
    assert json.loads(json.dumps(dict(settings().values)))["alive-when"] == "any"

"""Finding the settings of a folder, and putting file, environment and command line together."""

import os
import subprocess
import sys

import pytest

from watchdog_cli.adapters.config_file import load_settings, resolve_name
from watchdog_cli.core.errors import ConfigError, ExitCode, UsageError, WatchdogError


def refused(folder, given=None, environ=None):
    """Return the error of loading the settings of the folder; it must be one line."""
    with pytest.raises(WatchdogError) as caught:
        load_settings(str(folder), given or {}, environ=environ or {})
    assert "\n" not in str(caught.value)
    return caught.value


def load(folder, given=None, environ=None):
    """Load the settings of the folder in a clean environment."""
    return load_settings(str(folder), given or {}, environ=environ or {})


def test_a_folder_without_a_file_has_the_defaults(tmp_path):
    """Nobody needs a settings file."""
    settings = load(tmp_path)
    assert settings.folder == str(tmp_path)
    assert settings.explicit == frozenset()


def test_the_file_in_the_folder_is_found(tmp_path):
    """watchdog.toml in the folder of the program counts and is named as the origin."""
    (tmp_path / "watchdog.toml").write_text('restart_delay = "1s"\n', "utf-8")
    settings = load(tmp_path)
    assert settings.policy.restart_delay_s == 1.0
    assert settings.origins["restart-delay"] == "watchdog.toml: restart_delay"


def test_all_places_together(tmp_path):
    """The command line wins over the environment, that over the file."""
    (tmp_path / "watchdog.toml").write_text('restart-delay = "1s"\nlog-size = "1MB"\nname = "f"\n', "utf-8")
    environ = {"WATCHDOG_LOG_SIZE": "2MB", "WATCHDOG_NAME": "e"}
    settings = load(tmp_path, {"name": "c"}, environ)
    assert (settings.policy.restart_delay_s, settings.log_size, settings.name) == (1.0, 2_000_000, "c")


def test_our_own_environment_is_used(tmp_path, monkeypatch):
    """Without another word the variables are those of this process."""
    monkeypatch.setenv("WATCHDOG_NAME", "bot")
    assert load_settings(str(tmp_path), {}).name == "bot"
    assert resolve_name(str(tmp_path), None) == "bot"


def test_a_relative_folder_becomes_absolute(tmp_path, monkeypatch):
    """The folder in the settings does not depend on where we are later."""
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path)
    assert load("in").folder == str(tmp_path / "in")


def test_a_wrong_option_is_a_usage_error(tmp_path):
    """What the command line got wrong ends with 2."""
    error = refused(tmp_path, {"backoff-max": 60.0})
    assert isinstance(error, UsageError)
    assert error.exit_code == ExitCode.USAGE
    assert str(error).startswith("--backoff-max: ")


@pytest.mark.parametrize("content", ["restart-delay = 'x'", "nonsense = 1", "= 1", "backoff-max = 9"])
def test_a_wrong_file_is_a_configuration_error(tmp_path, content):
    """What the file got wrong ends with 10 and begins with the name of the file."""
    (tmp_path / "watchdog.toml").write_text(content, "utf-8")
    error = refused(tmp_path)
    assert isinstance(error, ConfigError)
    assert error.exit_code == ExitCode.CONFIG
    assert str(error).startswith("watchdog.toml: ")


def test_a_wrong_variable_is_a_configuration_error(tmp_path):
    """What the environment got wrong ends with 10 and begins with the name of the variable."""
    error = refused(tmp_path, environ={"WATCHDOG_RESTART_DELAY": "x"})
    assert isinstance(error, ConfigError)
    assert str(error).startswith("WATCHDOG_RESTART_DELAY: ")


def test_a_folder_in_the_place_of_the_file_is_told(tmp_path):
    """A folder named watchdog.toml is not silently passed over."""
    (tmp_path / "watchdog.toml").mkdir()
    assert "is a folder" in str(refused(tmp_path))


def test_a_project_may_keep_the_settings(tmp_path):
    """Without watchdog.toml the table in pyproject.toml counts, and is named as the origin."""
    (tmp_path / "pyproject.toml").write_text('[tool.watchdog]\nname = "bot"\nmax-restarts = 3\n', "utf-8")
    settings = load(tmp_path)
    assert (settings.name, settings.policy.max_restarts) == ("bot", 3)
    assert settings.origins["name"] == "pyproject.toml [tool.watchdog]: name"
    assert resolve_name(str(tmp_path), None, {}) == "bot"


def test_the_own_file_counts_alone(tmp_path):
    """With watchdog.toml there, the table of the project is not mixed in."""
    (tmp_path / "pyproject.toml").write_text('[tool.watchdog]\nname = "bot"\nmax-restarts = 3\n', "utf-8")
    (tmp_path / "watchdog.toml").write_text('restart-delay = "1s"\n', "utf-8")
    assert load(tmp_path).explicit == {"restart-delay"}
    assert resolve_name(str(tmp_path), None, {}) == "tracker"


@pytest.mark.parametrize(
    "content",
    [
        "this is no toml",
        '[project]\ndependencies = ["watchdog>=7"]\n',
        '[project]\ndependencies = ["watchdog>=7"\n',
        "tool = 1\nwatchdog = 2\n",
        "",
    ],
)
def test_the_project_of_others_is_left_alone(tmp_path, content):
    """A pyproject.toml without our table has no say, broken or not."""
    (tmp_path / "pyproject.toml").write_text(content, "utf-8")
    assert load(tmp_path).explicit == frozenset()
    assert resolve_name(str(tmp_path), None, {}) == "tracker"


@pytest.mark.parametrize("content", ["[tool.watchdog]\nname = \n", "[tool]\nwatchdog = 1\n"])
def test_a_broken_table_of_ours_is_told(tmp_path, content):
    """A project whose settings for us cannot be understood is not run with others."""
    (tmp_path / "pyproject.toml").write_text(content, "utf-8")
    error = refused(tmp_path)
    assert isinstance(error, ConfigError)
    assert str(error).startswith("pyproject.toml")


def test_a_folder_named_as_the_project_file_is_left_alone(tmp_path):
    """A folder in the place of somebody else's file is not our matter."""
    (tmp_path / "pyproject.toml").mkdir()
    assert load(tmp_path).explicit == frozenset()


def test_a_heartbeat_that_is_a_log_by_another_way(tmp_path):
    """The same file is known also through links and detours."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "other").symlink_to("logs")
    for heartbeat in ("other/tracker.log", "x/../logs/./tracker.log", str(tmp_path / "logs" / "tracker.log")):
        assert "is a log of the watchdog" in str(refused(tmp_path, {"heartbeat": heartbeat}))


def test_the_first_process_of_a_container_stops_sooner(tmp_path):
    """The caller says that we are process 1, and the default of the stop follows."""
    assert load_settings(str(tmp_path), {}, pid1=True, environ={}).policy.stop_timeout_s == 8.0


def test_the_name_from_each_place(tmp_path):
    """The quick way to the name follows the same order as all settings."""
    folder = str(tmp_path)
    assert resolve_name(folder, None, {}) == "tracker"
    (tmp_path / "watchdog.toml").write_bytes(b'\xef\xbb\xbfname = "file"\r\n')
    assert resolve_name(folder, None, {}) == load(tmp_path).name == "file"
    assert resolve_name(folder, None, {"WATCHDOG_NAME": "variable"}) == "variable"
    assert resolve_name(folder, None, {"WATCHDOG_NAME": ""}) == "file"
    assert resolve_name(folder, "option", {"WATCHDOG_NAME": "variable"}) == "option"


def test_the_name_is_found_in_a_file_with_other_mistakes(tmp_path):
    """A mistake elsewhere in the file does not keep anybody from asking how the program is."""
    (tmp_path / "watchdog.toml").write_text('restart-dely = 1\nname = "bot"\n', "utf-8")
    assert resolve_name(str(tmp_path), None, {}) == "bot"
    (tmp_path / "watchdog.toml").write_text("this is no toml", "utf-8")
    assert resolve_name(str(tmp_path), None, {}) == "tracker"


@pytest.mark.parametrize(
    ("given", "environ", "content", "error"),
    [
        ("a/b", {}, "", UsageError),
        (None, {"WATCHDOG_NAME": "a/b"}, "", ConfigError),
        (None, {}, 'name = "../x"', ConfigError),
        (None, {}, "name = 5", ConfigError),
        (None, {}, "name = ", ConfigError),
    ],
)
def test_a_wrong_name_is_told(tmp_path, given, environ, content, error):
    """A name that could leave its folder is refused on the quick way too, with the code of its place."""
    (tmp_path / "watchdog.toml").write_text(content, "utf-8")
    with pytest.raises(error, match=r"name|line 1"):
        resolve_name(os.fspath(tmp_path), given, environ)


def test_the_quick_way_loads_next_to_nothing(tmp_path):
    """Asking for the name in a folder without a file loads no reader of TOML and no table of settings."""
    code = (
        "import sys; before = set(sys.modules)\n"
        "from watchdog_cli.adapters.config_file import resolve_name\n"
        f"resolve_name({os.fspath(tmp_path)!r}, None, {{}})\n"
        "print(*(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    loaded = set(done.stdout.split())
    assert "watchdog_cli.core.names" in loaded
    assert loaded.isdisjoint(
        {"tomllib", "dataclasses", "json", "watchdog_cli.core.options", "watchdog_kit.settings"}
    )

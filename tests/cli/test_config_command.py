"""``watchdog config`` and the options that it shares with the other commands."""

import json
import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from watchdog_cli.cli.config import command
from watchdog_cli.cli.options import GroupedCommand, folder_of, place_options
from watchdog_cli.core.errors import ConfigError, SpawnError, UsageError
from watchdog_cli.core.options import GROUPS, OPTIONS


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run the command in an empty folder and a clean environment."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("WATCHDOG_")]:
        monkeypatch.delenv(name)

    def invoke(*arguments):
        return CliRunner().invoke(command, list(arguments))

    return invoke


def settings_of(result):
    """Return the settings of a --json answer."""
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert answer["version"] == 1
    return answer["settings"]


def test_every_setting_is_shown_with_its_origin(run):
    """Each setting has one line with its effective value and where that came from."""
    result = run()
    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines() if line.startswith("  ")]
    assert [line[0] for line in lines] == [s.key for g in GROUPS for s in OPTIONS if s.group == g]
    assert ["heartbeat-timeout", "2m", "default"] in lines
    assert ["start-grace", "2m", "as", "heartbeat-timeout"] in lines


def test_the_columns_are_aligned(run):
    """Values and origins each begin in one column."""
    lines = [
        line for line in run("--name", "long-name-of-a-bot").stdout.splitlines() if line.startswith("  ")
    ]
    starts = {line.index(" default") for line in lines if line.endswith(" default")}
    assert len(starts) == 1


def test_each_place_is_named(run, tmp_path, monkeypatch):
    """File, variable and option are shown as the user wrote them."""
    (tmp_path / "watchdog.toml").write_text('restart_delay = "1s"\n', "utf-8")
    monkeypatch.setenv("WATCHDOG_LOG_SIZE", "2MB")
    settings = settings_of(run("--json", "--max-restarts", "3", "--no-quiet"))
    assert settings["restart-delay"] == {
        "value": 1.0,
        "origin": "watchdog.toml: restart_delay",
        "unit": "seconds",
    }
    assert settings["log-size"] == {"value": 2_000_000, "origin": "WATCHDOG_LOG_SIZE", "unit": "bytes"}
    assert settings["max-restarts"] == {"value": 3, "origin": "--max-restarts"}
    assert settings["quiet"] == {"value": False, "origin": "--no-quiet"}
    assert settings["restart"] == {"value": "always", "origin": "default"}


def test_an_option_can_undo_what_the_file_says(run, tmp_path):
    """Every limit and switch of the file can be turned off on the command line."""
    (tmp_path / "watchdog.toml").write_text(
        'memory-limit = "1GB"\nmax-restarts = 3\nbackoff = true\nno-heartbeat = true\n', "utf-8"
    )
    undone = ("--memory-limit", "off", "--max-restarts", "unlimited", "--no-backoff", "--with-heartbeat")
    settings = settings_of(run("--json", *undone, "--heartbeat", "h"))
    assert settings["memory-limit"]["value"] is None
    assert settings["max-restarts"]["value"] is None
    assert settings["backoff"]["value"] is False
    assert settings["no-heartbeat"] == {"value": False, "origin": "--with-heartbeat"}


def test_what_a_higher_place_makes_needless_is_said(run, tmp_path):
    """A line of the file that does not count this time is shown as not used."""
    (tmp_path / "watchdog.toml").write_text('heartbeat-timeout = "90s"\n', "utf-8")
    result = run("--no-heartbeat")
    assert "default; watchdog.toml: heartbeat-timeout is not used with no-heartbeat" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--restart-delay", "5 s"], "Invalid value for '--restart-delay': '5 s' has a space in it"),
        (["--max-restarts", "-1"], "write a whole number from 0 to 1000000, or unlimited"),
        (["--max-restarts", "1e12"], "not allowed"),
        (["--heartbeat-timeout", "nan"], "not a quantity"),
        (["--restart", "sometimes"], "write always, on-failure or never"),
        (["--name", "../x"], "cannot be a name"),
        (["--log-size", "1kB"], "at least 4kB"),
        (["--restart-dely", "5s"], "--restart-delay"),
        (["--heartbeat", ""], "is empty"),
        (["extra"], "unexpected extra argument"),
    ],
)
def test_a_wrong_option_is_one_clear_line(run, arguments, text):
    """What the command line got wrong ends with 2 and one line that says what is right."""
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert text in result.stderr.splitlines()[-1]


def test_contradictions_and_wrong_files_are_errors(run, tmp_path):
    """The errors of loading pass through with their exit codes."""
    assert isinstance(run("--restart", "never", "--max-restarts", "3").exception, UsageError)
    assert isinstance(run("-C", str(tmp_path / "missing")).exception, UsageError)
    (tmp_path / "watchdog.toml").write_text("name = 5", "utf-8")
    assert isinstance(run().exception, ConfigError)


def test_another_folder(run, tmp_path):
    """-C shows the settings of that folder."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "watchdog.toml").write_text('name = "bot"', "utf-8")
    result = run("-C", "in")
    assert result.stdout.startswith(f"Settings of bot in {tmp_path / 'in'}\n")


def test_paths_of_any_bytes_are_shown(run):
    """A path that is no text does not break the table, and keeps its bytes in the answer for programs."""
    name = os.fsdecode(b"h\xff")
    assert "h\N{REPLACEMENT CHARACTER}" in run("--heartbeat", name).stdout
    assert settings_of(run("--json", "--heartbeat", name))["heartbeat"]["value"] == name


def test_help_shows_groups_defaults_and_units(run):
    """The help has a heading for each group, a default for each option, and says how values are written."""
    result = run("--help")
    text = " ".join(result.stdout.split())
    assert result.exit_code == 0
    options = [setting for setting in OPTIONS if setting.option]
    positions = [
        result.stdout.index(f"\n{group}:\n") for group in GROUPS if any(s.group == group for s in options)
    ]
    assert positions == sorted(positions)
    for setting in options:
        assert f"--{setting.key} " in text
        assert f"[default: {setting.shown_default()}]" in text
    assert "--heartbeat-timeout DURATION" in text
    assert "100ms, 5s, 2m or 1h30m" in text
    assert text.count("[default: ") == len(options) + 1  # and -C


def test_completion_offers_the_known_words():
    """A shell can complete the words of a choice and knows where a file is meant."""
    options = {param.name: param for param in command.params}
    context = click.Context(command)
    assert [
        item.value for item in options["restart"].type.shell_complete(context, options["restart"], "o")
    ] == ["on-failure"]
    (item,) = options["log_dir"].type.shell_complete(context, options["log_dir"], "lo")
    assert (item.type, item.value) == ("dir", "lo")


def test_the_place_options_of_other_commands(tmp_path):
    """Commands that only look get the folder and the name as they were given, and None otherwise."""
    seen = []

    @click.command(cls=GroupedCommand)
    @place_options
    def look(directory, name):
        seen.append((directory, name))

    assert CliRunner().invoke(look, []).exit_code == 0
    assert CliRunner().invoke(look, ["-C", str(tmp_path), "--name", "bot"]).exit_code == 0
    assert seen == [(None, None), (str(tmp_path), "bot")]


def test_a_missing_folder_is_named(tmp_path, monkeypatch):
    """A folder that is missing, deleted under us or no folder is one line, as the error that the caller wants."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UsageError, match="does not exist"):
        folder_of(str(tmp_path / "missing"))
    with pytest.raises(UsageError, match="-C is empty"):
        folder_of("")
    with pytest.raises(SpawnError, match="is not a folder"):
        folder_of(str(tmp_path / "file"), missing=SpawnError)
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    assert folder_of(None) == str(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(UsageError, match="was deleted"):
        folder_of(None)


def test_nothing_heavy_is_loaded(tmp_path):
    """Showing the settings needs neither rich nor process facts nor file notices."""
    code = (
        "import sys\n"
        "from watchdog_cli.cli.config import command\n"
        "command(['-C', sys.argv[1]], standalone_mode=False)\n"
        "print(*(set(sys.modules) & {'rich', 'psutil', 'watchdog', 'json', 'tomllib', 'asyncio', 'sqlite3'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.startswith("Settings of tracker in ")
    assert done.stdout.splitlines()[-1] == ""

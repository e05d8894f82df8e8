"""Settings from the command line, the environment, a file and the defaults."""

import tomllib

import pytest

from watchdog_kit import kinds
from watchdog_kit.settings import Layer, Setting, SettingsError, load

TABLE = (
    Setting("restart-delay", kinds.duration(zero=True), 5.0, "Restart", "A delay.", "chosen"),
    Setting("max-restarts", kinds.whole(unlimited=True), 10, "Restart", "A cap.", "chosen"),
    Setting("quiet", kinds.flag(), False, "General", "A switch.", "chosen"),
    Setting("no-beat", kinds.flag(), False, "General", "A switch.", "chosen", off_option="with-beat"),
    Setting("name", kinds.text(example="tracker"), "tracker", "General", "A name.", "chosen"),
    Setting("rule", kinds.choice(["any", "all"]), "any", "General", "A rule.", "chosen"),
    Setting("memory", kinds.size(off=True), None, "General", "A limit.", "chosen"),
    Setting("levels", kinds.text(numbers=True)._replace(lists=True), "50", "General", "A list.", "chosen"),
    Setting("token", kinds.text(), None, "General", "A secret.", "chosen", option=False, secret=True),
)


def read(content="", environ=None, given=None, foreign=()):
    """Load the table from the text of a file, variables and options."""
    return load(
        TABLE,
        program="watchdog",
        given=given or {},
        environ=environ or {},
        env_prefix="WATCHDOG_",
        file_values=tomllib.loads(content),
        file_name="watchdog.toml",
        foreign=foreign,
    )


def refused(**places):
    """Return the error that loading from these places gives."""
    with pytest.raises(SettingsError) as caught:
        read(**places)
    assert "\n" not in str(caught.value)
    return caught.value


def test_nothing_set_gives_the_defaults():
    """Without any word from the user each value is its default and says so."""
    loaded = read()
    assert loaded.values == {setting.key: setting.default for setting in TABLE}
    assert set(loaded.origins.values()) == {"default"}
    assert loaded.explicit == frozenset()


def test_each_place_wins_over_the_one_below():
    """The command line wins over the environment, that over the file, that over the default."""
    content = 'restart-delay = "1s"\nmax-restarts = 1\nname = "file"'
    environ = {"WATCHDOG_MAX_RESTARTS": "2", "WATCHDOG_NAME": "variable"}
    loaded = read(content=content, environ=environ, given={"name": "option"})
    assert loaded.values["restart-delay"] == 1.0
    assert loaded.values["max-restarts"] == 2
    assert loaded.values["name"] == "option"
    assert loaded.origins["restart-delay"] == "watchdog.toml: restart-delay"
    assert loaded.origins["max-restarts"] == "WATCHDOG_MAX_RESTARTS"
    assert loaded.origins["name"] == "--name"
    assert loaded.layers["name"] is Layer.OPTION
    assert loaded.explicit == {"restart-delay", "max-restarts", "name"}


def test_a_given_none_counts_as_given():
    """The words off and unlimited on the command line overrule a file that set a limit."""
    loaded = read(content='memory = "10MB"\nmax-restarts = 3', given={"memory": None, "max-restarts": None})
    assert loaded.values["memory"] is None
    assert loaded.values["max-restarts"] is None
    assert loaded.explicit == {"memory", "max-restarts"}


def test_a_switch_says_by_which_option_it_was_set():
    """The origin of a switch is the option as it was typed, also where it was turned off."""
    assert read(given={"quiet": True}).origins["quiet"] == "--quiet"
    assert read(given={"quiet": False}).origins["quiet"] == "--no-quiet"
    assert read(given={"no-beat": False}).origins["no-beat"] == "--with-beat"


@pytest.mark.parametrize(
    ("content", "key", "value"),
    [
        ("restart-delay = 5", "restart-delay", 5.0),
        ("restart_delay = 1.5", "restart-delay", 1.5),
        ("restart-delay = 0", "restart-delay", 0.0),
        ("restart-delay = -0.0", "restart-delay", 0.0),
        ("restart-delay = 0x10", "restart-delay", 16.0),
        ('"restart-delay" = "2m"', "restart-delay", 120.0),
        ("memory = 1e7", "memory", 10_000_000),
        ("memory = 4096", "memory", 4096),
        ('memory = "off"', "memory", None),
        ('max-restarts = "unlimited"', "max-restarts", None),
        ("max-restarts = 3.0", "max-restarts", 3),
        ("quiet = true", "quiet", True),
        ('quiet = "no"', "quiet", False),
        ('rule = "all"', "rule", "all"),
        ("levels = [50, 1.5, '70']", "levels", "50,1.5,70"),
        ("levels = 50", "levels", "50"),
        ('name = "محمد"', "name", "محمد"),
    ],
)
def test_a_file_may_hold_texts_numbers_and_switches(content, key, value):
    """A file's value is read by its type, and its key with dashes or underscores."""
    assert read(content=content).values[key] == value


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("restart-delay = true", 'watchdog.toml: restart-delay: true is only for switches; write "5s"'),
        ("restart_delay = nan", 'watchdog.toml: restart_delay: nan is not a number; write "5s"'),
        ("restart-delay = -inf", 'watchdog.toml: restart-delay: -inf is not a number; write "5s"'),
        ("restart-delay = -5", "'-5' is negative"),
        ("restart-delay = 1e300", "beyond all measure"),
        (f"restart-delay = 0x{'F' * 9000}", "beyond all measure"),
        (f"levels = [0x{'F' * 9000}]", "beyond all measure"),
        ("levels = [true]", "only for switches"),
        ("levels = [[1]]", "it is a list"),
        ("restart-delay = 1e-7", "too short"),
        ('restart-delay = ""', "it is empty"),
        ('restart-delay = "5 s"', "has a space"),
        ("restart-delay = [1]", "it is a list"),
        ("restart-delay = {a = 1}", "it is a table"),
        ("restart-delay = 1979-05-27", "it is a date or time"),
        ("name = 5", 'write "5", in quotes'),
        ("quiet = 1", "write true or false"),
        ("rule = 1", 'write "any"'),
        ("max-restarts = 1.5", "whole number"),
        ("max-restarts = 1e12", "whole number"),
    ],
)
def test_a_wrong_value_in_the_file_names_the_file_and_the_key(content, text):
    """What cannot be a value of this setting is refused with file, key, reason and right form."""
    error = refused(content=content)
    assert str(error).startswith("watchdog.toml: ")
    assert text in str(error)
    assert error.layer is Layer.FILE


def test_an_unknown_key_in_the_file_suggests_the_near_one():
    """A slip of the pen is told with the key that was probably meant."""
    error = refused(content="restart_dely = 5")
    assert str(error) == (
        "watchdog.toml: restart_dely: watchdog has no such setting; did you mean restart-delay?"
    )
    assert error.key == "restart-dely"


def test_an_unknown_key_far_from_all_others_suggests_nothing():
    """No wild guess is made, and a key with strange characters stays on one line."""
    assert "did you mean" not in str(refused(content='"zz\\nzz" = 1'))


def test_a_header_in_the_file_is_explained():
    """Settings under a [header] are the usual mistake, so the text says where they belong."""
    assert "without a [header]" in str(refused(content="[restart]\ndelay = 5"))


def test_a_key_in_both_spellings_is_refused():
    """The same setting twice in one file cannot both count."""
    assert "twice" in str(refused(content="restart-delay = 1\nrestart_delay = 2"))


def test_a_wrong_variable_names_the_variable():
    """A value in the environment is refused with the name of its variable."""
    error = refused(environ={"WATCHDOG_RESTART_DELAY": "5 s"})
    assert str(error).startswith("WATCHDOG_RESTART_DELAY: '5 s' has a space")
    assert (error.key, error.layer) == ("restart-delay", Layer.ENVIRONMENT)


@pytest.mark.parametrize(
    "place", [{"content": 'restart-delay = "x"'}, {"environ": {"WATCHDOG_RESTART_DELAY": "x"}}]
)
def test_a_wrong_value_is_told_even_where_a_higher_place_hides_it(place):
    """A wrong line does not wait for the day on which nothing hides it."""
    assert refused(**place, given={"restart-delay": 1.0}).key == "restart-delay"


def test_an_empty_variable_counts_as_not_set():
    """Container files often pass empty variables on; they mean nothing."""
    assert read(environ={"WATCHDOG_RESTART_DELAY": "", "WATCHDOG_NONSENSE": ""}).explicit == frozenset()


def test_an_unknown_variable_suggests_the_near_one():
    """A misspelt variable would be silently without effect, so it is an error."""
    error = refused(environ={"WATCHDOG_RESTART_DELY": "5s"})
    assert "did you mean WATCHDOG_RESTART_DELAY?" in str(error)
    assert "did you mean" not in str(refused(environ={"WATCHDOG_ZZZZ": "1"}))


@pytest.mark.parametrize(
    "name",
    [
        "WATCHDOG_PORT",
        "WATCHDOG_PORT_80_TCP",
        "WATCHDOG_PORT_80_TCP_ADDR",
        "WATCHDOG_SERVICE_HOST",
        "WATCHDOG_SERVICE_PORT",
        "WATCHDOG_SERVICE_PORT_HTTP",
        "WATCHDOG_WEB_SERVICE_HOST",
        "WATCHDOG_WEB_PORT_8787_TCP_PROTO",
        "OTHER_THING",
    ],
)
def test_variables_of_a_cluster_are_left_alone(name):
    """What Kubernetes sets for a service of this name, and what others set, is no mistake of the user."""
    assert read(environ={name: "tcp://10.0.0.1:80"}).explicit == frozenset()


def test_foreign_variables_are_no_settings_even_under_a_known_name():
    """A variable that belongs to somebody else neither counts nor offends."""
    loaded = read(
        environ={"WATCHDOG_PID": "1", "WATCHDOG_NAME": "x"}, foreign=["WATCHDOG_PID", "WATCHDOG_NAME"]
    )
    assert loaded.values["name"] == "tracker"


@pytest.mark.parametrize(
    "place",
    [
        {"environ": {"WATCHDOG_TOKEN": "hush\x07987"}},
        {"content": "token = 987"},
        {"content": 'token="987\\n"'},
    ],
)
def test_a_wrong_secret_is_not_repeated(place):
    """The text about a secret never shows any of it."""
    error = refused(**place)
    assert "987" not in str(error)
    assert error.__cause__ is None
    assert "hush" not in str(error)


def test_a_secret_is_shown_only_as_being_there():
    """People see whether a secret is set, and no more."""
    secret = TABLE[-1]
    assert secret.show("987") == "set, not shown"
    assert secret.show(None) == "not set"

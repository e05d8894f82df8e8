"""Everything that a user may set, by option, environment (``TRACKER_*``), ``tracker.toml`` or default."""

import os
from collections.abc import Mapping

from tracker.errors import SettingError
from watchdog_kit import kinds
from watchdog_kit.kinds import Kind
from watchdog_kit.quantities import quoted
from watchdog_kit.records import dataclass
from watchdog_kit.settings import Loaded, Setting, SettingsError, load, read_toml
from watchdog_kit.web_host import is_web_host

FILE_NAME = "tracker.toml"
ENV_PREFIX = "TRACKER_"
MOST_LEVELS = 20


def _levels() -> Kind:
    right = "write percents above 0, such as 50 or 50,100,500"

    def parse(text: str) -> tuple[float, ...]:
        levels = set()
        for piece in text.split(","):
            word = piece.strip().removesuffix("%")
            plain = word.isascii() and word.replace(".", "", 1).isdigit() and len(word) <= 12
            if not plain or not 0 < float(word) <= 1e9:
                raise ValueError(f"{quoted(text)} is not allowed; {right}")
            levels.add(float(word))
        if len(levels) > MOST_LEVELS:
            raise ValueError(f"{quoted(text)} has more than {MOST_LEVELS} levels")
        return tuple(sorted(levels))

    def show(levels: tuple[float, ...]) -> str:
        return ",".join(f"{level:.12g}" for level in levels)

    return Kind("PERCENTS", parse, show, example="50,100", unit="percent", numbers=True, lists=True)


def _url() -> Kind:
    def parse(text: str) -> str:
        scheme, mark, rest = text.partition("://")
        host = rest.partition("/")[0]
        if scheme not in ("http", "https") or not mark or not host or any(c in text for c in " ?#\t\r\n"):
            raise ValueError(
                f"{quoted(text)} is no base address; write it like https://host or http://host:80/x"
            )
        if "@" in host:
            raise ValueError("a name and a password in an address would be shown in logs; leave them out")
        if not is_web_host(host):
            raise ValueError(f"{quoted(text)} has a host or a port that is none")
        return text.rstrip("/")

    return Kind("URL", parse, example="https://host")


TABLE: tuple[Setting, ...] = (
    Setting(
        "source",
        kinds.choice(("live", "demo")),
        "live",
        "Prices",
        "Where prices come from: the real market, or an embedded simulated one that needs no network.",
        "chosen: nothing falls back to simulated prices by itself",
    ),
    Setting(
        "cycle",
        kinds.duration(least_s=0.1),
        10.0,
        "Prices",
        "How often prices are asked for.",
        "chosen: as the system that this one succeeds",
    ),
    Setting(
        "request-timeout",
        kinds.duration(least_s=0.1),
        8.0,
        "Prices",
        "How long one question to a price service may take in all.",
        "chosen: below one cycle",
    ),
    Setting(
        "history-step",
        kinds.duration(least_s=0.1),
        20.0,
        "Prices",
        "Time between two points of a token's price history (the last 50 are kept).",
        "the files that users have",
    ),
    Setting(
        "max-tokens",
        kinds.whole(least=1, most=1_000_000),
        1000,
        "Prices",
        "How many tokens may be added; a file that already holds more loses nothing.",
        "chosen: what one address may ask of the price service within one cycle",
    ),
    Setting(
        "rugcheck",
        kinds.flag(),
        True,
        "Prices",
        "Ask rugcheck.xyz once about each new token, to fill its rugcheckStatus.",
        "chosen",
    ),
    Setting(
        "levels",
        _levels(),
        (50.0,),
        "Alerts",
        "Rises since the first price, in percent, that are told, each once per token.",
        "the system that this one succeeds",
    ),
    Setting(
        "min-liquidity",
        kinds.number(least=0, most=1e12),
        1000.0,
        "Alerts",
        "USD in the pool behind a price below which a rise is not believed.",
        "chosen: an emptied pool still shows a price",
    ),
    Setting(
        "telegram-token",
        kinds.text(example="123456:ABC"),
        None,
        "Alerts",
        "Token of the Telegram bot that tells about rises.",
        "off",
        default_text="off",
        option=False,
        secret=True,
    ),
    Setting(
        "telegram-chat",
        kinds.text(example="-1001234567890", numbers=True),
        None,
        "Alerts",
        "Chat that the bot writes to: its number, or @name of a channel.",
        "off",
        default_text="off",
        option=False,
    ),
    Setting(
        "notify-url",
        kinds.text("URL", example="ntfy://topic"),
        None,
        "Alerts",
        "Address of any other service, as apprise writes it (needs the extra 'notify').",
        "off",
        default_text="off",
        option=False,
        secret=True,
    ),
    Setting(
        "save-interval",
        kinds.duration(least_s=0.1),
        30.0,
        "Saving",
        "How often tracked_tokens.json is saved.",
        "the system that this one succeeds",
    ),
    Setting(
        "max-backups",
        kinds.whole(least=1, most=1000),
        10,
        "Saving",
        "How many older copies are kept in backups/.",
        "the system that this one succeeds",
    ),
    Setting(
        "heartbeat-interval",
        kinds.duration(least_s=0.1),
        60.0,
        "Saving",
        "How often heartbeat.json is written.",
        "half of the 2 minutes after which the watchdog acts",
    ),
    Setting(
        "dexscreener-url",
        _url(),
        "https://api.dexscreener.com",
        "Addresses",
        "Base address of DexScreener, the first source.",
        "its manual",
    ),
    Setting(
        "geckoterminal-url",
        _url(),
        "https://api.geckoterminal.com",
        "Addresses",
        "Base address of GeckoTerminal, asked when the first does not answer.",
        "its manual",
    ),
    Setting(
        "coingecko-url",
        _url(),
        "https://api.coingecko.com",
        "Addresses",
        "Base address of CoinGecko, the last resort.",
        "its manual",
    ),
    Setting(
        "rugcheck-url",
        _url(),
        "https://api.rugcheck.xyz",
        "Addresses",
        "Base address of rugcheck.xyz.",
        "its manual",
    ),
    Setting(
        "telegram-url",
        _url(),
        "https://api.telegram.org",
        "Addresses",
        "Base address of the Telegram Bot API.",
        "its manual",
    ),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """The effective values, in seconds, percent and USD."""

    source: str
    cycle: float
    request_timeout: float
    history_step: float
    max_tokens: int
    rugcheck: bool
    levels: tuple[float, ...]
    min_liquidity: float
    telegram_token: str | None
    telegram_chat: str | None
    notify_url: str | None
    save_interval: float
    max_backups: int
    heartbeat_interval: float
    dexscreener_url: str
    geckoterminal_url: str
    coingecko_url: str
    rugcheck_url: str
    telegram_url: str


def load_settings(folder: str, given: Mapping[str, object], environ: Mapping[str, str]) -> Settings:
    """Read the settings that hold in ``folder``.

    Raises:
        SettingError: one of them is wrong; the text names it, its place and the right form.
    """
    return Settings(
        **{key.replace("-", "_"): value for key, value in _load(folder, given, environ).values.items()}
    )


def _load(folder: str, given: Mapping[str, object], environ: Mapping[str, str]) -> Loaded:
    try:
        try:
            in_file = read_toml(os.path.join(folder, FILE_NAME))
        except FileNotFoundError:
            in_file = {}
        loaded = load(
            TABLE,
            program="tracker",
            given=given,
            environ=environ,
            env_prefix=ENV_PREFIX,
            file_values=in_file,
            file_name=FILE_NAME,
        )
    except SettingsError as error:
        raise SettingError(str(error)) from error
    values = loaded.values
    if (values["telegram-token"] is None) != (values["telegram-chat"] is None):
        there, missing = "telegram-token", "telegram-chat"
        if values[there] is None:
            there, missing = missing, there
        raise SettingError(
            f"{loaded.origins[there]}: {there} is set but {missing} is not; set both, or neither"
        )
    if values["telegram-token"] is not None and values["notify-url"] is not None:
        raise SettingError(
            f"{loaded.origins['notify-url']}: notify-url and telegram-token are both set; "
            "set one, for each alert goes one way (apprise can send to Telegram too, as tgram://)"
        )
    return loaded

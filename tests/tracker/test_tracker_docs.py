"""The manual and the example say what the program does."""

import re
from pathlib import Path

from tracker.settings import TABLE, load_settings

ROOT = Path(__file__).parents[2]


def test_the_manual_lists_every_setting() -> None:
    """Each setting stands in the manual's table with its default and its sentence."""
    manual = (ROOT / "docs" / "tracker.md").read_text(encoding="utf-8")
    rows = {
        row[0]: row
        for row in re.findall(r"^\| `([a-z-]+)` \| (.+?) \| `(.+?)` \| (.+?) \|$", manual, re.MULTILINE)
    }
    assert list(rows) == [setting.key for setting in TABLE]
    for setting in TABLE:
        _, _, default, text = rows[setting.key]
        assert default == setting.shown_default()
        assert text.startswith(setting.help)
        assert ("Never an option" in text) is not setting.option


def test_the_example_is_the_default(tmp_path: Path) -> None:
    """The example file is valid, holds every plain setting, and changes nothing."""
    example = (ROOT / "examples" / "tracker.toml").read_text(encoding="utf-8")
    (tmp_path / "tracker.toml").write_text(example, encoding="utf-8")
    assert load_settings(str(tmp_path), {}, {}) == load_settings(str(tmp_path / "none"), {}, {})
    for setting in TABLE:
        if setting.group != "Addresses":
            assert re.search(rf"^(# )?{setting.key} = ", example, re.MULTILINE), setting.key


def test_formats_name_every_field_that_is_written() -> None:
    """Each field that the tracker writes into its files is described."""
    formats = (ROOT / "docs" / "formats-tracker.md").read_text(encoding="utf-8")
    written = set()
    for name in ("model.py", "heartbeat.py", "loop.py", "alerts.py"):
        source = (ROOT / "tracker" / name).read_text(encoding="utf-8")
        written |= set(
            re.findall(r'"([a-z]+(?:[A-Z][A-Za-z0-9]*)+|seq|pid|uptime|turns|message|status)"', source)
        )
    written -= {"previousHighPrice", "lastSave"}
    assert len(written) > 25
    assert not {name for name in written if not re.search(rf"\b{name}[`.]", formats)}

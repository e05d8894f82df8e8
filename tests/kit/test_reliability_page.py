"""docs/reliability.md tells the truth about which case has a test."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_test_that_the_page_names_is_there() -> None:
    """Each row names files that exist and hold a test of that case; each case test stands in the page."""
    page = (ROOT / "docs" / "reliability.md").read_text()
    files = {path.name: path.read_text() for path in (ROOT / "tests").rglob("test_*.py")}
    rows = re.findall(r"^\| ([A-Z]\d\d) \|.*\| (.*) \|$", page, re.MULTILINE)
    assert len(rows) >= 60
    for case, cell in rows:
        for name in re.findall(r"`(test_\w+\.py)`", cell):
            assert name in files, name
            assert "no case of its own name" in cell or f"def test_{case}_" in files[name], (case, name)
    named = {found for text in files.values() for found in re.findall(r"def test_([A-Z]\d\d)_", text)}
    assert named <= {case for case, _ in rows}

"""The files of the page, read once: a fixed table, so no path of a request is ever a path on the disk."""

import gzip
import hashlib
from dataclasses import dataclass
from importlib.resources import files
from string import Template

TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file, plain and packed."""

    content: bytes
    packed: bytes
    kind: str
    tag: str


def load_assets() -> dict[str, Asset]:
    """All static files by name."""
    found = {}
    for entry in files("watchdog_cli.web").joinpath("static").iterdir():
        ending = f".{entry.name.rpartition('.')[2]}"
        if ending in TYPES:
            content = entry.read_bytes()
            tag = f'"{hashlib.sha256(content).hexdigest()[:20]}"'
            found[entry.name] = Asset(content, gzip.compress(content, 9, mtime=0), TYPES[ending], tag)
    return found


def load_template(name: str) -> Template:
    """A page with ``$NAME`` where values go."""
    return Template(files("watchdog_cli.web").joinpath("templates", name).read_text("utf-8"))

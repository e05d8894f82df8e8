"""A network of the soak's own: namespaces, a switch, and links that can be pulled out."""

import subprocess


def run(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """One short command."""
    return subprocess.run(words, check=check, capture_output=True, text=True, timeout=60)


class Net:
    """A switch and a namespace for each host."""

    def __init__(self, mark: str) -> None:
        self.mark = mark
        self.names: list[str] = []
        self.hub = self._namespace("hub")
        run("ip", "-n", self.hub, "link", "add", "br0", "type", "bridge")
        run("ip", "-n", self.hub, "link", "set", "br0", "up")

    def _namespace(self, name: str) -> str:
        full = f"{self.mark}{name}"
        run("ip", "netns", "add", full)
        self.names.append(full)
        run("ip", "-n", full, "link", "set", "lo", "up")
        return full

    def host(self, name: str, address: str) -> str:
        """A namespace with one link to the switch."""
        full = self._namespace(name)
        run(
            *("ip", "link", "add", "eth0", "netns", full, "type", "veth"),
            *("peer", "name", f"v{name}", "netns", self.hub),
        )
        run("ip", "-n", self.hub, "link", "set", f"v{name}", "master", "br0", "up")
        run("ip", "-n", full, "addr", "add", f"{address}/24", "dev", "eth0")
        run("ip", "-n", full, "link", "set", "eth0", "up")
        return full

    def link(self, name: str, *, up: bool) -> None:
        """Plug it in, or pull it out."""
        run("ip", "-n", self.hub, "link", "set", f"v{name}", "up" if up else "down")

    def close(self) -> None:
        """Take everything down."""
        for name in self.names:
            run("ip", "netns", "del", name, check=False)

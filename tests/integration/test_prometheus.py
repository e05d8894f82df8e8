"""The metrics before the real Prometheus: scraped, checked by promtool, and one alert of a real crash storm.

Needs the programs ``prometheus`` and ``promtool``, which Debian has in the package ``prometheus``.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import Watchdog
from rig import BIN, Rig
from waiting import stays_true, wait_until

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy" / "prometheus"
METRIC = re.compile(r"\bwatchdog_[a-z_]+")
CALM = ("--restart-delay", "1s", "--no-heartbeat")
STORMY = ("--restart-delay", "50ms", "--max-restarts", "unlimited", "--no-heartbeat", "--name", "stormy")


def program(name: str) -> str:
    """The path of a program that the tests need."""
    found = shutil.which(name)
    assert found, (
        f"{name} is not installed; these tests need it: apt-get install --no-install-recommends prometheus"
    )
    return found


def promtool(*words: str, given: str = "", folder: Path = DEPLOY) -> subprocess.CompletedProcess[str]:
    """Run promtool to its end."""
    return subprocess.run(
        [program("promtool"), *words],
        cwd=folder,
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def get(url: str) -> str:
    """What stands at an address of this machine."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())


class Served:
    """``watchdog metrics --port 0`` and where it serves."""

    def __init__(self, rig: Rig, *words: str) -> None:
        self.process = subprocess.Popen(
            [str(BIN / "watchdog"), "metrics", "--port", "0", *words],
            cwd=rig.folder,
            env=rig.environment(),
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        line = self.process.stderr.readline()
        found = re.search(r"http://(127\.0\.0\.1:\d+)/metrics", line)
        assert found, line
        self.address = found[1]
        self.url = found[0]

    def close(self) -> int:
        """End it and return its exit code."""
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        code = self.process.wait(20)
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code


class Prometheus:
    """The real one, over one target, with the rules and the configuration of ours at a quicker pace."""

    def __init__(self, folder: Path, target: str) -> None:
        folder.mkdir()
        config = (DEPLOY / "prometheus.yml").read_text()
        for key in ("scrape_interval", "evaluation_interval"):
            config = re.sub(rf"{key}: \S+", f"{key}: 1s", config)
        (folder / "prometheus.yml").write_text(config.replace("127.0.0.1:9797", target))
        shutil.copy(DEPLOY / "alerts.yml", folder)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.base = f"http://127.0.0.1:{free.getsockname()[1]}"
        self.output = folder / "output"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [
                    program("prometheus"),
                    f"--config.file={folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={folder / 'data'}",
                    f"--web.listen-address={self.base.removeprefix('http://')}",
                    "--log.level=warn",
                ],
                stdout=output,
                stderr=output,
            )
        wait_until(self._is_ready, "Prometheus to be ready", 40)

    def _is_ready(self) -> bool:
        assert self.process.poll() is None, self.output.read_text()
        try:
            return "Ready" in get(f"{self.base}/-/ready")
        except urllib.error.HTTPError as error:
            error.close()  # not ready yet; newer Pythons warn of an answer that is left open
        except OSError:
            pass  # nobody listens yet
        return False

    def ask(self, path: str, **words: str) -> Any:
        """The data of one answer of its programming interface."""
        try:
            answer = json.loads(get(f"{self.base}/api/v1/{path}?{urllib.parse.urlencode(words)}"))
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{words}: {error.read().decode()}") from error
        assert answer["status"] == "success", answer
        return answer["data"]

    def values(self, query: str) -> list[float]:
        """The values that a query has now."""
        return [float(one["value"][1]) for one in self.ask("query", query=query)["result"]]

    def firing(self) -> set[tuple[str, str]]:
        """Alert and program of all that fires."""
        alerts = self.ask("alerts")["alerts"]
        return {
            (one["labels"]["alertname"], one["labels"].get("name", ""))
            for one in alerts
            if one["state"] == "firing"
        }

    def close(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(20)


@pytest.fixture
def prometheus(dog: Watchdog) -> Iterator[tuple[Watchdog, Served, Prometheus]]:
    """Prometheus over all watchdogs of one user, none of which is started yet."""
    served = Served(dog, "--all")
    try:
        made = Prometheus(dog.folder / "prometheus", served.address)
        try:
            yield dog, served, made
        finally:
            made.close()
    finally:
        served.close()


def test_rules_and_configuration_are_valid() -> None:
    """The alert rules and the configuration are accepted by promtool as they are delivered."""
    for words in (("check", "rules", "alerts.yml"), ("check", "config", "prometheus.yml")):
        found = promtool(*words)
        assert found.returncode == 0, found.stdout + found.stderr


def test_every_alert_fires_when_it_should_and_only_then(tmp_path: Path) -> None:
    """Each rule is tried on a past in which it must fire and on others in which it must not."""
    shutil.copy(DEPLOY / "alerts.yml", tmp_path)
    tests = Path(__file__).with_name("prometheus_alerts.yml")
    shutil.copy(tests, tmp_path)
    found = promtool("test", "rules", tests.name, folder=tmp_path)
    assert found.returncode == 0, found.stdout + found.stderr
    names = set(re.findall(r"alert: (\w+)", (DEPLOY / "alerts.yml").read_text()))
    tried = set(re.findall(r'labels: .\{alertname="(\w+)"', tests.read_text()))
    assert tried == names, "each alert has a past in which it fires"


def test_metrics_pass_the_linter(dog: Watchdog) -> None:
    """Nothing is said by promtool against the metrics of a program that has beaten, crashed and lives."""
    dog.plan('beat 0.1 {"activeTokens":12,"status":"ok","seq":$seq}; exit 3', 'beat 0.1 {"activeTokens":12}')
    dog.start("--restart-delay", "100ms")
    dog.fact("healthy", 2)
    text = dog.cli("metrics").stdout
    found = promtool("check", "metrics", given=text)
    assert (found.returncode, found.stderr) == (0, ""), found.stderr
    assert 'watchdog_heartbeat_field{field="activeTokens"' in text
    assert re.search(r'watchdog_failures_by_cause\{cause="exit".*\} 1\.0', text)
    dog.stop()


def test_crash_storm_fires_an_alert_and_a_calm_program_does_not(
    prometheus: tuple[Watchdog, Served, Prometheus],
) -> None:
    """Of two programs on a machine the one that keeps dying raises the alert, by real crashes and real scrapes."""
    dog, _, server = prometheus
    dog.start(*CALM, orders=("beat 0.2",))
    wait_until(
        lambda: server.values('watchdog_program_healthy{name="tracker"}') == [1.0], "a calm program", 30
    )
    storm = dog.run(*STORMY, "--", sys.executable, "-SE", "-c", "raise SystemExit(3)")
    wait_until(lambda: ("ProgramCrashStorm", "stormy") in server.firing(), "the alert of the storm", 45)
    firing = server.firing()
    assert not [alert for alert, name in firing if name == "tracker"], firing
    assert server.values('watchdog_restarts_total{name="stormy"}')[0] > 3
    assert server.values('up{job="watchdog"}') == [1.0]
    assert dog.cli("stop", "--name", "stormy").returncode == 0
    assert storm.wait(20) == 0
    dog.stop()


def test_dashboard_and_rules_ask_for_what_there_is(prometheus: tuple[Watchdog, Served, Prometheus]) -> None:
    """Every query of the dashboard is understood by Prometheus, and every metric that is named anywhere exists."""
    dog, served, server = prometheus
    dog.plan('beat 0.1 {"activeTokens":12}; exit 3', 'beat 0.1 {"activeTokens":12}')
    dog.start("--restart-delay", "100ms")
    dog.fact("healthy", 2)
    dashboard = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    queries += [one["expr"] for one in dashboard["annotations"]["list"]]
    assert len(queries) > 15
    for query in queries:
        plain = query.replace("$name", ".*").replace("$folder", ".*").replace("$__rate_interval", "1m")
        server.ask("query", query=plain)
    named = set(METRIC.findall(" ".join(queries) + (DEPLOY / "alerts.yml").read_text()))
    source = (ROOT / "watchdog_cli" / "sinks" / "metrics.py").read_text()
    made = set(re.findall(r'"(watchdog_[a-z_]+)"', source))
    assert {name.removesuffix("_total") for name in named} <= made
    late = {
        "watchdog_memory_growing",
        "watchdog_memory_growth_bytes_per_second",
        "watchdog_program_cpu_recent_ratio",
    }
    of_lease = {"watchdog_lease_held", "watchdog_lease_cut_off"}
    wanted = named - late - of_lease
    wait_until(
        lambda: wanted <= set(METRIC.findall(get(served.url))),
        "all metrics but those that need an hour, or 15 seconds",
    )
    assert len(wanted) > 15
    dog.stop()


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSTOP])
def test_supervision_does_not_care_for_its_metrics(dog: Watchdog, blow: signal.Signals) -> None:
    """Whether the metrics are killed or frozen in the middle of an answer: the program is restarted as ever."""
    dog.start("--restart-delay", "100ms", "--no-heartbeat", orders=("beat 0.1",))
    first = dog.ready()
    served = Served(dog)
    with contextlib.closing(
        socket.create_connection(("127.0.0.1", int(served.address.rpartition(":")[2])))
    ) as line:
        line.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        os.kill(served.process.pid, blow)
        os.kill(first, signal.SIGKILL)
        second = dog.ready(other_than=first)
    stays_true(lambda: dog.status()["child"]["pid"] == second, "the second run", 0.5)
    served.close()
    dog.stop()

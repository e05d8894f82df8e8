"""The image as it runs: its own lines, in namespaces of their own with the least rights that people give it."""

import json
import os
import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml

from container_box import ROOT, Container
from waiting import wait_until

DEMO = {"TRACKER_SOURCE": "demo"}
PLAIN = ("watchdog", "run", "--no-heartbeat", "--restart-delay", "200ms")


def _alive(name: str, container: Container) -> list[str]:
    """The processes of the container whose command line holds this word, seen from inside."""
    code = (
        "import os, sys\n"
        "for pid in os.listdir('/proc'):\n"
        "    if pid.isdigit() and int(pid) != os.getpid():\n"
        "        try: line = open(f'/proc/{pid}/cmdline').read()\n"
        "        except OSError: continue\n"
        "        if sys.argv[1] in line: print(pid)\n"
    )
    return container.exec("python", "-c", code, name).stdout.split()


@pytest.mark.parametrize("user", ["", "1000650000:0"], ids=["of-the-image", "of-the-cluster"])
@pytest.mark.timeout(120)
def test_the_image_does_what_it_says(container: Container, user: str) -> None:
    """As the Dockerfile starts it: healthy, probes answer, docker stop saves and ends with 0, all is on the volume."""
    container.user = user or container.user
    container.environment = DEMO
    container.run()
    container.until_healthy()
    deployment = yaml.safe_load((ROOT / "deploy/kubernetes/deployment.yaml").read_text())
    pod = deployment["spec"]["template"]["spec"]["containers"][0]
    assert pod["args"] == container.image.command
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container.exec(*pod[probe]["exec"]["command"]).returncode == 0, probe
    assert "running, healthy" in container.exec("watchdog", "status").stdout
    assert container.exec("python", "-c", "import os; print(os.readlink('/proc/1/cwd'))").stdout == "/data\n"
    assert container.stop() == 0
    assert len(json.loads((container.volume / "tracked_tokens.json").read_text())) > 0
    owner = int(container.user.partition(":")[0])
    assert {path.lstat().st_uid for path in container.volume.rglob("*")} == {owner}
    assert not (container.volume / "~").exists(), "without a HOME there is no home"


@pytest.mark.timeout(120)
def test_healthcheck_knows_two_answers(container: Container) -> None:
    """0 while the program is healthy, 1 while it is not, 1 for a wrong name; liveness asks for the watchdog alone."""
    container.run(*PLAIN, "--", "sleep", "1000")
    container.until_healthy()
    assert container.exec("watchdog", "pause").returncode == 0
    assert container.exec(*container.image.healthcheck).returncode == 1
    assert container.exec("watchdog", "check").returncode == 5
    assert container.exec("watchdog", "check", "--watchdog").returncode == 0
    assert container.exec("watchdog", "check", "--docker", "--name", "no such name").returncode == 1
    assert container.stop() == 0


@pytest.mark.timeout(120)
def test_strangers_are_reaped(container: Container) -> None:
    """What somebody left behind with docker exec is taken off the list of processes when it ends."""
    container.run(*PLAIN, "--", "sleep", "1000")
    container.until_healthy()
    code = "import os, sys\nfor _ in range(30):\n    if os.fork() == 0: sys.exit(0)\nos._exit(0)"
    assert container.exec("python", "-c", code).returncode == 0
    assert container.exec("sh", "-c", "sleep 2000 </dev/null >/dev/null 2>&1 & exit 0").returncode == 0
    stranger = _alive("2000", container)
    assert stranger, "an orphan that lives is nobody's business"

    def children() -> list[str]:
        return Path(f"/proc/{container.init}/task/{container.init}/children").read_text().split()

    wait_until(lambda: len(children()) == 2, "thirty orphans to be reaped", 30)
    assert container.exec("kill", *stranger).returncode == 0
    wait_until(lambda: len(children()) == 1, "the last orphan to be reaped", 30)
    assert container.stop() == 0


@pytest.mark.timeout(120)
def test_docker_stop_is_over_before_the_grace(container: Container) -> None:
    """A program that does not listen is killed in time for an orderly end of the watchdog; all goes with it."""
    code = "trap '' TERM; : > up; while :; do sleep 1000; done"
    container.run(*PLAIN, "--stop-timeout", "1s", "--", "sh", "-c", code)
    wait_until((container.volume / "up").exists, "the program", 60)
    assert container.stop() == 0
    assert "killed" in container.output()


@pytest.mark.timeout(120)
def test_a_second_life_on_the_same_volume(container: Container) -> None:
    """After a kill of the whole container the next one starts the program anew, whoever has the old numbers now."""
    container.environment = DEMO
    container.run()
    container.until_healthy()
    before = json.loads((container.volume / "tracked_tokens.json").read_text())
    assert container.kill() == 137
    container.run()
    container.until_healthy()
    after = json.loads((container.volume / "tracked_tokens.json").read_text())
    assert before
    assert list(after) == list(before)
    assert len(_alive("tracker", container)) == 1 + 1, "process 1 and one tracker"
    assert container.stop() == 0


@pytest.mark.timeout(60)
def test_exit_codes_reach_the_engine(container: Container) -> None:
    """The program's own code where it is not started again; 12 where the watchdog gave up."""
    container.run(*PLAIN, "--restart", "never", "--", "sh", "-c", "exit 42")
    assert container.wait() == 42
    container.run(*PLAIN, "--restart-delay", "0", "--max-restarts", "1", "--", "false")
    assert container.wait() == 12


@pytest.mark.timeout(60)
def test_a_volume_that_may_not_be_written(container: Container) -> None:
    """A folder of somebody else ends it with one line that says so, and the code for it."""
    os.chown(container.volume, 0, 0)
    container.volume.chmod(0o755)
    container.run()
    assert container.wait() == 14
    assert container.output().count("\n") == 1
    assert "permission denied" in container.output()


# --- with the page ---------------------------------------------------------------------------------------------------


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _answers(port: int, path: str) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except OSError:
        return 0


def _with_page() -> list[str]:
    """The command of the compose file, with the script where the Dockerfile puts it."""
    service = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())["services"]["tracker"]
    assert service["command"][0] == "run-with-page"
    assert "COPY deploy/run-with-page.sh /usr/local/bin/run-with-page\n" in (ROOT / "Dockerfile").read_text()
    return ["sh", str(ROOT / "deploy/run-with-page.sh"), *service["command"][1:]]


@pytest.mark.timeout(180)
def test_page_beside_the_watchdog(container: Container) -> None:
    """The watchdog is process 1, the page answers on PORT and comes back when it is killed, and both end together."""
    port = _free_port()
    container.environment = DEMO | {"WATCHDOG_WEB_TOKEN": "x" * 40, "PORT": str(port)}
    container.run(*_with_page())
    container.until_healthy()
    wait_until(lambda: _answers(port, "/health") == 200, "the page", 60)
    assert _answers(port, "/ready") == 200
    assert _answers(port, "/status") == 401
    assert b"watchdog\0run" in Path(f"/proc/{container.init}/cmdline").read_bytes()
    killed = next(pid for pid in _alive("web", container) if pid != "1")
    assert container.exec("kill", "-KILL", killed).returncode == 0
    wait_until(lambda: _answers(port, "/health") == 0, "a page that is gone", 30)
    wait_until(lambda: _answers(port, "/health") == 200, "the next page", 60)
    assert container.stop() == 0
    assert _answers(port, "/health") == 0


@pytest.mark.timeout(60)
def test_no_page_without_a_token(container: Container) -> None:
    """Without a token the tracker runs all the same, and it is said why there is no page."""
    container.environment = DEMO | {"WATCHDOG_WEB_TOKEN": ""}
    container.run(*_with_page())
    container.until_healthy()
    assert "set WATCHDOG_WEB_TOKEN" in container.output()
    assert _alive("web", container) == []
    assert container.stop() == 0

"""The whole way on Windows: run, restart, stop, and what is left when the watchdog itself dies."""

import json
import signal
import sys

import psutil
import pytest

from waiting import wait_until
from windows_dog import LIMIT_S, WindowsDog, all_gone, lives


@pytest.fixture
def dog(tmp_path):
    """A folder of its own, whose watchdogs are gone afterwards."""
    one = WindowsDog(tmp_path)
    yield one
    one.close()


@pytest.mark.timeout(180)
def test_the_tracker_crashes_comes_back_is_seen_and_stops_softly(dog):
    """The demo tracker is restarted after its end, and saves when it is asked to stop."""
    running = dog.start(
        "--restart-delay",
        "200ms",
        command=(sys.executable, "-m", "tracker", "--source", "demo"),
    )
    wait_until(lambda: "tracker started" in dog.output(), "a tracker", LIMIT_S)
    psutil.Process(dog.status()["child"]["pid"]).kill()
    wait_until(lambda: "run 2, pid" in dog.output(), "a second run", LIMIT_S)
    wait_until(lambda: dog.output().count("tracker started") == 2, "a second tracker", LIMIT_S)
    report = dog.status()
    assert report["state"] == "running"
    assert report["restarts"]["total"] >= 1
    assert report["restarts"]["last"][0]["exit_code"] == signal.SIGTERM, "as the system ends it"
    assert "tracker: stopped" in dog.ask("stop")
    assert running.wait(LIMIT_S) == 0
    assert "stop asked (stop request)" in dog.output()
    assert len(json.loads((dog.folder / "tracked_tokens.json").read_text("utf-8"))) == 8
    assert "behind" not in (dog.folder / "logs" / "tracker.watchdog.log").read_text("utf-8")
    assert "tracker: stopped" in dog.ask("status", code=3)


@pytest.mark.timeout(120)
def test_a_stop_is_soft_and_takes_the_request_back(dog):
    """The program finds the request, writes CLEAN and ends with 0; the next run does not find the old request."""
    first = dog.start(orders=("beat",))
    pid = dog.ready()
    dog.ask("restart")
    again = dog.ready(2)
    assert dog.pids("CLEAN") == [pid]
    assert again != pid
    assert lives(again)
    dog.ask("stop")
    assert first.wait(LIMIT_S) == 0
    assert dog.pids("CLEAN") == [pid, again]
    assert list((dog.folder / ".watchdog" / "tracker").glob("stop-request*")) == []


@pytest.mark.timeout(120)
def test_W05_the_whole_tree_dies_with_a_watchdog_that_is_killed(dog):
    """No adoption here: the job ends program and grandchild; status says so, and a new run begins."""
    killed = dog.start(orders=("grandchild", "beat"))
    pid = dog.ready()
    grandchild = dog.pids("grandchildren")[0]
    killed.kill()
    killed.wait(LIMIT_S)
    wait_until(lambda: all_gone(pid, grandchild), "the end of the tree", LIMIT_S)
    report = dog.status()
    assert (report["state"], report["health"], report["exit_code"]) == ("stopped", "not running", 3)
    assert report["child"] is None
    dog.start(orders=("beat",))
    dog.ready(2)
    assert "did not end in order" in (dog.folder / "logs" / "tracker.watchdog.log").read_text("utf-8")
    dog.ask("stop")


@pytest.mark.timeout(120)
def test_a_program_that_leaves_somebody_behind_is_ended_wholly(dog):
    """The leader ends at once; the grandchild that it started is of the job and does not outlive the run."""
    running = dog.start("--restart", "never", "--stop-timeout", "1s", orders=("grandchild", "exit", "-7"))
    assert running.wait(LIMIT_S) == (1 << 32) - 7  # the same code, as the system tells it
    assert "left 1 process behind" in dog.output()
    assert "exit code -7" in dog.output()
    wait_until(lambda: all_gone(*dog.pids("grandchildren")), "the end of the grandchild", LIMIT_S)


@pytest.mark.timeout(120)
def test_a_program_that_does_not_listen_is_killed_with_its_tree(dog):
    """After the stop timeout nothing of it is left, and the watchdog has ended in order."""
    running = dog.start("--stop-timeout", "1s", orders=("grandchild", "deaf", "beat"))
    pid = dog.ready()
    dog.ask("stop")
    assert running.wait(LIMIT_S) == 0
    assert dog.pids("CLEAN") == []
    wait_until(lambda: all_gone(pid, *dog.pids("grandchildren")), "the end of the tree", LIMIT_S)


@pytest.mark.timeout(120)
def test_a_program_that_freezes_is_restarted(dog):
    """Silence beyond the timeout is a hang here too."""
    dog.start(
        "--heartbeat-timeout",
        "3s",
        "--restart-delay",
        "100ms",
        "--stop-timeout",
        "1s",
        orders=("beat", "frozen"),
    )
    dog.ready(2)
    report = dog.status()
    assert report["restarts"]["last"][0]["cause"] == "hang"
    dog.ask("stop")


@pytest.mark.timeout(120)
def test_the_pid_behind_a_launcher_is_of_the_program(dog):
    """A virtual environment's python.exe is a launcher: the one who beats is its child, and nobody is suspected."""
    dog.start(orders=("launcher", "beat"))
    dog.ready()
    report = wait_until(lambda: (one := dog.status())["health"] == "healthy" and one, "a beat", LIMIT_S)
    assert report["heartbeat"]["fields"]["pid"] != report["child"]["pid"]
    assert report["note"] == ""
    dog.ask("stop")


@pytest.mark.timeout(120)
def test_a_second_run_is_refused_and_names_the_first(dog):
    """The lock decides; pause, resume and check go through the control pipe."""
    first = dog.start(orders=("beat",))
    dog.ready()
    text = dog.ask("run", "--", sys.executable, "-c", "pass", code=11)
    assert "a watchdog (pid " in text
    assert str(dog.status()["watchdog"]["pid"]) in text
    assert "paused for 1m" in dog.ask("pause", "--for", "1m")
    dog.ask("check", code=5)
    assert "resumed" in dog.ask("resume")
    assert "not possible on Windows" in dog.ask("upgrade", code=None)
    dog.ask("stop")
    assert first.wait(LIMIT_S) == 0
    dog.ask("stop", code=3)


@pytest.mark.timeout(120)
def test_a_watchdog_that_is_suspended_is_said_to_be_frozen(dog):
    """The lock says that it lives, the pipe that it does not answer; afterwards it goes on."""
    running = dog.start(orders=("beat",))
    dog.ready()
    wait_until(lambda: dog.status()["health"] == "healthy", "a beat", LIMIT_S)
    process = psutil.Process(running.pid)
    process.suspend()
    try:
        report = dog.status()
    finally:
        process.resume()
    assert (report["health"], report["exit_code"]) == ("watchdog frozen", 5)
    assert report["watchdog"]["pid"] == running.pid
    dog.ask("stop")
    assert running.wait(LIMIT_S) == 0


@pytest.mark.timeout(120)
def test_a_missing_program_is_the_users_typo(dog):
    """One line, exit 13, no journal of failures."""
    text = dog.ask("run", "--", "no-such-program-at-all", code=13)
    assert "no such program: no-such-program-at-all" in text
    assert len(text.splitlines()) == 1


@pytest.mark.timeout(120)
def test_W10_output_is_utf_8_when_it_goes_to_a_file(dog):
    """Under the code page of an old program no command fails, whatever stands in names and logs."""
    dog.environment["WATCHDOG_NAME"] = "tracker"
    dog.start(orders=("say", "plain", "beat"))
    dog.ready()
    arabic = "\u0645\u062a\u0627\u0628\u0639"
    with (dog.folder / "logs" / "tracker.log").open("ab") as log:
        log.write(f"{arabic}\n".encode())
    assert arabic in dog.ask("tail-log", "-n", "5")
    assert "·" in dog.ask("status", code=None) + dog.output()
    for words in (("config",), ("report",), ("--help",)):
        dog.ask(*words)
    dog.ask("stop")


@pytest.mark.timeout(180)
def test_an_entry_is_written_told_of_and_removed(dog):
    """The scheduler's own program takes the file, in a folder whose name needs care; what is not known is not said."""
    words = ("install", "--name", "at-boot", "--no-heartbeat", "--", sys.executable, "-c", "pass")
    shown = dog.ask(*words[:1], "--dry-run", *words[1:])
    assert "schtasks /create /tn tracker-watchdog-at-boot /xml " in shown
    assert "'" not in shown.partition("# then:")[2]
    assert not (dog.folder / "home" / "tracker-watchdog").exists()
    said = dog.ask(*words)
    try:
        (written,) = (dog.folder / "home" / "tracker-watchdog").iterdir()
        assert "told to start" in said
        assert "running" not in said
        text = written.read_bytes().decode("utf-16")
        assert f"<WorkingDirectory>{dog.folder}</WorkingDirectory>" in text
        assert "<ExecutionTimeLimit>PT0S</ExecutionTimeLimit>" in text
    finally:
        dog.ask("uninstall", "--name", "at-boot")
    assert not written.exists()

"""What counts as a sign of life, and from whom."""

import os
import signal
import sys

import pytest

from harness import Watchdog
from rig import BIN, QUICK
from waiting import stays_true, wait_until

LIMIT = (*QUICK, "--heartbeat-timeout", "2s", "--start-grace", "30s")


@pytest.mark.parametrize("way", ["touch", "beat", "beat-in-place"])
def test_each_way_to_write_the_file_is_a_sign(dog: Watchdog, way: str) -> None:
    """Touched, replaced, filled in place: alive as long as it goes on, a hang when it ends."""
    dog.start(*LIMIT, orders=(f"{way} 0.3",))
    pid = dog.ready()
    dog.await_health("healthy")
    stays_true(lambda: not dog.facts("hang"), "nobody is replaced", 4)
    assert dog.child_pid() == pid
    dog.order("silent")
    assert dog.fact("hang")["pid"] == pid


def test_a_file_behind_a_link_gives_no_notices_and_counts(dog: Watchdog) -> None:
    """heartbeat.json is a link into another folder, where no notice comes from: fresh stays fresh, silence is found."""
    (dog.folder / "elsewhere").mkdir()
    dog.write("elsewhere/beat", "{}")
    (dog.folder / "heartbeat.json").symlink_to("elsewhere/beat")
    dog.start(*LIMIT, orders=('beat-in-place 0.3 {"activeTokens": $seq}',))
    dog.await_health("healthy")
    stays_true(lambda: not dog.facts("hang"), "nobody is replaced", 4)
    assert (dog.folder / "heartbeat.json").is_symlink()
    dog.order("silent")
    hang = dog.fact("hang")
    assert 1.9 <= hang["silent_s"] < 8


def test_output_without_a_line_end_is_a_sign(dog: Watchdog) -> None:
    """--alive-on-output: single bytes that never end a line keep it alive; the heartbeat file is not needed."""
    program = (
        "import os, time\nwhile not os.path.exists('quiet'):\n    os.write(2, b'.')\n    time.sleep(0.2)\n"
        "time.sleep(600)\n"
    )
    dog.run(*LIMIT, "--alive-on-output", "--", sys.executable, "-c", program)
    dog.await_health("healthy")
    stays_true(lambda: not dog.facts("hang"), "nobody is replaced", 4)
    dog.write("quiet", "")
    assert dog.fact("hang")["cause"] == "hang"


def test_one_of_several_sources_is_enough_unless_all_are_asked(dog: Watchdog) -> None:
    """The heartbeat stops and the output goes on: alive with `any`, a hang with `all`."""
    program = (
        "import os, time\nfor number in range(10000):\n    print(number)\n"
        "    if number < 5: open(os.environ['WATCHDOG_HEARTBEAT'], 'w').write(str(number))\n    time.sleep(0.2)\n"
    )
    both = ("--alive-on-output", "--heartbeat", "beat")
    dog.run(*LIMIT, *both, "--", sys.executable, "-c", program)
    dog.await_health("healthy")
    stays_true(lambda: not dog.facts("hang"), "nobody is replaced", 4)
    dog.stop()
    dog.run(*LIMIT, *both, "--alive-when", "all", "--", sys.executable, "-c", program)
    assert dog.fact("hang")["cause"] == "hang"


def test_whoever_belongs_to_the_program_may_speak_for_it(dog: Watchdog) -> None:
    """--sd-notify: signs come from a member that the leader started, its status is shown, and its end is found."""
    member = (
        "import os, socket, time\n"
        "def say(text):\n"
        "    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:\n"
        "        link.sendto(text, os.environ['NOTIFY_SOCKET'].replace('@', chr(0), 1))\n"
        "say(b'READY=1')\n"
        "while not os.path.exists('quiet'):\n    say(b'WATCHDOG=1\\nSTATUS=by a member')\n    time.sleep(0.3)\n"
        "time.sleep(600)\n"
    )
    dog.write("member.py", member)
    leader = "import subprocess, sys; subprocess.run([sys.executable, 'member.py'])"
    dog.run(*LIMIT, "--sd-notify", "--", sys.executable, "-c", leader)
    dog.await_health("healthy")
    wait_until(lambda: dog.status()["note"] == "by a member", "the status of the member")
    stays_true(lambda: not dog.facts("hang"), "nobody is replaced", 4)
    dog.write("quiet", "")
    assert dog.fact("hang")["cause"] == "hang"


def test_memory_of_the_whole_tree_counts(dog: Watchdog) -> None:
    """The leader is small and its member grows: over the limit twice in a row, replaced, and told as memory."""
    member = (
        "import os, time\nkept = b'x' * 150_000_000\n"
        "while True:\n    open(os.environ['WATCHDOG_HEARTBEAT'], 'w').write('{}')\n    time.sleep(0.3)\n"
    )
    dog.write("member.py", member)
    leader = "import subprocess, sys; subprocess.run([sys.executable, 'member.py'])"
    dog.run(*LIMIT, "--memory-limit", "100MB", "--max-restarts", "1", "--", sys.executable, "-c", leader)
    over = dog.fact("memory")
    assert over["rss"] > 150_000_000
    assert dog.fact("ended")["cause"] == "memory"


def test_memory_that_sinks_again_is_let_be(dog: Watchdog) -> None:
    """Under the limit for long: nobody is replaced."""
    dog.start(*LIMIT, "--memory-limit", "200MB", orders=("grow 40", "beat 0.3"))
    dog.await_health("healthy")
    stays_true(lambda: not dog.facts("memory", "ended"), "nobody is replaced", 4)


def test_a_watchdog_in_a_watchdog(dog: Watchdog) -> None:
    """One supervises another: each program has its own run and heartbeat, and the outer stop takes all of them."""
    inner = [str(BIN / "watchdog"), "run", *QUICK, "--name", "inner", "--heartbeat", "inner.json", "--",
             *dog.command('beat 0.3 {"runId": "$run"}')]  # fmt: skip
    process = dog.run("--no-heartbeat", "--stop-timeout", "15s", "--name", "outer", "--", *inner)
    pid = dog.ready()
    wait_until(lambda: dog.cli("check", "--name", "inner").returncode == 0, "the inner one is healthy")
    wait_until(lambda: dog.cli("check", "--name", "outer").returncode == 0, "the outer one is healthy")
    assert (dog.folder / "inner.json").exists()
    os.kill(pid, signal.SIGKILL)
    dog.ready(other_than=pid)
    assert dog.cli("stop", "--name", "outer").returncode == 0
    assert process.wait(20) == 0
    assert len(dog.pids("CLEAN")) == 1, "the innermost program was asked in order"
    assert dog.tagged() == {}

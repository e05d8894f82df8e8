"""Programs that leave somebody behind, for the tests of process trees."""

# Starts a grandchild in a session of its own that is deaf to SIGTERM, and writes its pid to a file.
LEAVES_ONE = """
import os, signal, sys, time
if os.fork() == 0:
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with open(sys.argv[1] + ".new", "w") as file: file.write(str(os.getpid()))
    os.rename(sys.argv[1] + ".new", sys.argv[1])
    time.sleep(600)
while not os.path.exists(sys.argv[1]): time.sleep(0.01)
"""
STAYS = "import signal, time; time.sleep(600)"

"""Torment a watchdog and its tracker at random, and check all the while that every promise holds.

    python scripts/soak.py --minutes 2 --seed 7

The faults and their order follow from the seed, which is printed; their moments do not, since the programs are real.
Ends with 0 when nothing was broken, else with 1 and a line for each broken promise. Linux only. What it is made of is
in ``tests/soaking``.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from soaking.command import main  # it lies with the tests, whose servers and clock it uses

if __name__ == "__main__":
    sys.exit(main())

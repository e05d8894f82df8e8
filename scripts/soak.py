"""Torment a watchdog and its tracker at random, and check all the while that every promise holds.

    python scripts/soak.py --minutes 2 --seed 7

The faults and their order follow from the seed, which is printed; their moments do not, since the programs are real.
Ends with 0 when nothing was broken, else with 1 and a line for each broken promise.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from soaking.play import main  # the folder of the tests has to be found first

if __name__ == "__main__":
    sys.exit(main())

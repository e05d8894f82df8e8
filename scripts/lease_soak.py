"""Torment watchdogs on three hosts that share one lease, and check that no two lives of their program ever overlap.

Nor may the program tell anything twice to the chat that all of them share.

    python scripts/lease_soak.py --faults 200 --seed 7

Needs root, etcd and ip: each host and each of the three members of etcd lives in a network namespace of its own, so a
partition is a link that is down. The faults follow from the seed, which is printed. Ends with 0 when nothing was
broken, else with 1 and a line for each broken promise. What it is made of is in ``tests/lease_soaking``.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from lease_soaking.command import main  # it lies with the tests, whose program and clock it uses

if __name__ == "__main__":
    sys.exit(main())

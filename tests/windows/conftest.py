"""These tests are of Windows: ``scripts/windows_tests.sh`` runs them under Wine. Elsewhere there is nothing to collect."""

import sys

collect_ignore_glob = [] if sys.platform == "win32" else ["test_*.py"]

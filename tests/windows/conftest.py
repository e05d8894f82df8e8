"""These tests are of Windows: ``scripts/windows_tests.sh`` runs them under Wine; elsewhere none is collected."""

import sys

collect_ignore_glob = [] if sys.platform == "win32" else ["test_*.py"]

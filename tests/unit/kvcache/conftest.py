"""Helpers of these tests beside them, and the trees of the tests of rules, by which our files are judged."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.append(str(Path(__file__).parents[1] / "rules"))

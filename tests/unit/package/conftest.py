"""The valid package that the tests of rules are made with, as a results tree."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "rules"))

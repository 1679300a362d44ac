"""The trees that the rules are tested with serve here too, and modules beside the tests."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "rules"), str(Path(__file__).parent)]

"""MLPerf Storage as a pytest suite: the benchmarks, and the rule book that judges them."""

__version__ = "0.1.0"

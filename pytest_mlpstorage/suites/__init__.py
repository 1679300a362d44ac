"""The suites and configurations that a wheel carries; in a clone they stand at the top: benchmarks/, rules/, configs/."""

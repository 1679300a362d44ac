"""What judges: pytest --pyargs pytest_mlpstorage.suites.rules --results-dir=DIR (filled when a wheel is built)."""

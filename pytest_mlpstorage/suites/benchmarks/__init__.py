"""What runs: pytest --pyargs pytest_mlpstorage.suites.benchmarks --mlps-config=quick.yaml (filled when a wheel is built)."""

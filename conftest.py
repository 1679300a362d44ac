"""Makes the suites of this clone work without an installation, and lends pytester to the tests."""

pytest_plugins = ["pytest_mlpstorage.plugin", "pytester"]

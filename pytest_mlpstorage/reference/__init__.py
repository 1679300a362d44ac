"""The reference pages of the docs, made of the code: ``python -m pytest_mlpstorage.reference docs/reference``."""

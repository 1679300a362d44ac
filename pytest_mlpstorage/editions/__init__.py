"""The rule book as data: one file an edition, loaded into frozen models; no rule and no formula holds a number itself."""

from pytest_mlpstorage.editions.edition import Edition
from pytest_mlpstorage.editions.load import edition, edition_names

__all__ = ["Edition", "edition", "edition_names"]

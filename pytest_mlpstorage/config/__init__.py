"""What the user set, checked as a whole and frozen: YAML, options, ``--mlps-set`` and ``MLPS_…`` variables.

This room knows no workload family: each hands in its :class:`FamilySchema`.
"""

from pytest_mlpstorage.config.allocation import Allocation, find_allocation
from pytest_mlpstorage.config.find import find_config
from pytest_mlpstorage.config.load import load_config
from pytest_mlpstorage.config.problems import did_you_mean, nearest
from pytest_mlpstorage.config.schema import json_schema, schema_text, write_schema
from pytest_mlpstorage.config.show import show
from pytest_mlpstorage.config.suite import (
    Check,
    ClusterConfig,
    EntryCheck,
    FamilyConfig,
    FamilySchema,
    Given,
    HostSpec,
    ItemConfig,
    KeySpec,
    LaunchConfig,
    SuiteConfig,
)
from pytest_mlpstorage.config.tree import JSONValue, Origin, Setting

__all__ = [
    "Allocation",
    "Check",
    "ClusterConfig",
    "EntryCheck",
    "FamilyConfig",
    "FamilySchema",
    "Given",
    "HostSpec",
    "ItemConfig",
    "JSONValue",
    "KeySpec",
    "LaunchConfig",
    "Origin",
    "Setting",
    "SuiteConfig",
    "did_you_mean",
    "find_allocation",
    "find_config",
    "json_schema",
    "load_config",
    "nearest",
    "schema_text",
    "show",
    "write_schema",
]

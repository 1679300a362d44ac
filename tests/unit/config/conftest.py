"""A family of workloads as small as they come, and configurations written, loaded and refused in one line."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from pytest_mlpstorage.config import FamilySchema, ItemConfig, KeySpec, SuiteConfig, load_config
from pytest_mlpstorage.errors import ConfigurationError


class Section(BaseModel):
    """Own keys of the section."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    warmup_runs: Annotated[int, Field(ge=0, le=5)] | None = None
    measured_runs: Annotated[int, Field(ge=1, le=100)] | None = None


class Item(BaseModel):
    """Own keys of an entry."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    model: Annotated[str, Field(min_length=1, description="Model of the edition, such as unet3d")]
    accelerator: Annotated[str, Field(min_length=1, description="Accelerator to emulate, such as b200")]
    accelerators: Annotated[int, Field(ge=1, description="Simulated accelerators")]


class CacheSection(BaseModel):
    """A section without entries."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    mode: Literal["fast", "realistic"] = "fast"


def one_accelerator(items: Sequence[ItemConfig]) -> Iterator[tuple[int, str, str]]:
    first: dict[str, int] = {}
    for index, item in enumerate(items):
        assert isinstance(item.own, Item)
        if item.own.model in first:
            yield index, "model", f"{item.own.model} stands in entry {first[item.own.model]} too; allowed one accelerator of a model"
        first.setdefault(item.own.model, index)


KEYS = {
    "framework": KeySpec("str"),
    "dataset.data_folder": KeySpec("str"),
    "dataset.num_files_train": KeySpec("int", ("2.0.0", "3.0.0"), "Files to train on"),
    "dataset.num_samples_per_file": KeySpec("int"),
    "dataset.record_length_bytes": KeySpec("int"),
    "dataset.record_length_bytes_stdev": KeySpec("float"),
    "reader.read_threads": KeySpec("int"),
    "reader.transfer_size": KeySpec("size"),
    "reader.odirect": KeySpec("bool"),
    "reader.data_loader": KeySpec("str"),
    "train.computation_time": KeySpec("float"),
    "train.epochs": KeySpec("int"),
    "storage.storage_options": KeySpec("any"),
    "storage.timeout": KeySpec("duration"),
    "storage.grace_seconds": KeySpec("duration"),
    "checkpoint.shard_bytes": KeySpec("size"),
    "model.name": KeySpec("str"),
}
TRAINING = FamilySchema("training", Section, KEYS, "workloads", Item, one_accelerator)
CACHE = FamilySchema("kvcache", CacheSection, {"num_users": KeySpec("int"), "reader.read_threads": KeySpec("int")}, None)

Load = Callable[..., SuiteConfig]
Refuse = Callable[..., list[str]]


@pytest.fixture
def training() -> FamilySchema:
    return TRAINING


@pytest.fixture
def good() -> str:
    """A configuration that is right; tests break it."""
    return (
        'edition: "3.0"\n'
        "division: whatif\n"
        "submitter: acme\n"
        "system: fastfs\n"
        "training:\n"
        "  workloads:\n"
        "    - model: unet3d\n"
        "      accelerator: b200\n"
        "      accelerators: 2\n"
    )


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Write a YAML ``c.yaml`` and load it, as a pytest started beside it would."""

    def loading(
        text: str | bytes,
        *assignments: str,
        environ: Mapping[str, str] | None = None,
        options: Mapping[str, object] | None = None,
        families: Sequence[FamilySchema] = (TRAINING, CACHE),
        editions: Sequence[str] = ("1.0", "2.0", "3.0"),
        launchers: Sequence[str] = (),
    ) -> SuiteConfig:
        path = tmp_path / "c.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_config(
            path,
            families=families,
            options=options or {},
            assignments=assignments,
            environ=environ or {},
            invocation_dir=tmp_path,
            editions=editions,
            launchers=launchers,
        )

    return loading


@pytest.fixture
def refuse(load: Load) -> Refuse:
    """Load what must be refused; the lines of the error, without the count that leads several and the codes that end lines of several kinds."""

    def refusing(*args: object, **kwargs: object) -> list[str]:
        with pytest.raises(ConfigurationError) as caught:
            load(*args, **kwargs)
        lines = caught.value.message.split("\n")
        if len(lines) > 1:
            head, *lines = lines
            assert head == f"{len(lines)} errors in the configuration:"
        if caught.value.code == "MLPS-E100":
            assert [line for line in lines if not line.endswith("]")] == []
            lines = [line.rpartition(" [MLPS-E1")[0] for line in lines]
        return lines

    return refusing

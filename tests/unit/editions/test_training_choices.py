"""Which training workloads a division offers, why another is refused, and what an override makes of a run."""

import pytest

from pytest_mlpstorage.editions import edition
from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.verdict import Category, Division

OLDER = {(m, a) for m in ("unet3d", "resnet50", "cosmoflow") for a in ("a100", "h100")}
SANCTIONED = {("unet3d", "b200"), ("retinanet", "b200"), ("retinanet", "mi355")}
PREVIEWS = {(m, a) for m in ("dlrm", "flux") for a in ("b200", "mi355")}


@pytest.fixture
def training():
    return edition("3.0").training


@pytest.mark.parametrize("division", [Division.CLOSED, Division.OPEN])
def test_closed_and_open_of_3_0_offer_the_sanctioned_workloads_whose_template_is_known(training, division):
    assert set(training.workloads_for(division)) == SANCTIONED
    assert training.models_for(division) == ("unet3d", "retinanet")
    assert training.accelerators_for(division) == ("b200", "mi355")


def test_whatif_of_3_0_offers_the_older_workloads_and_the_previews_too(training):
    assert set(training.workloads_for(Division.WHATIF)) == SANCTIONED | OLDER | PREVIEWS


@pytest.mark.parametrize("name", ["1.0", "2.0"])
@pytest.mark.parametrize("division", list(Division))
def test_the_older_editions_offer_three_models_on_two_accelerators(name, division):
    assert set(edition(name).training.workloads_for(division)) == OLDER


@pytest.mark.parametrize("pair", sorted(SANCTIONED))
def test_nothing_speaks_against_a_sanctioned_workload(training, pair):
    assert training.why_not(*pair, Division.CLOSED) is None


def test_unet3d_on_mi355_is_refused_everywhere_with_the_reason_why_it_is_unknown(training):
    for division in Division:
        assert "unet3d on mi355 is unknown: the edition sanctions it, but neither a template" in training.why_not(
            "unet3d", "mi355", division
        )
    with pytest.raises(ConfigurationError, match=r"no training template unet3d_mi355: .* is unknown: the edition sanctions it"):
        training.template("unet3d", "mi355")


def test_a_misspelt_model_is_refused_with_the_nearest_one(training):
    assert training.why_not("unet3", "b200", Division.CLOSED) == (
        "model 'unet3' is not in division closed; allowed: retinanet, unet3d; did you mean unet3d?"
    )


def test_a_model_of_another_division_is_refused_naming_that_division(training):
    assert training.why_not("resnet50", "b200", Division.CLOSED).startswith("model 'resnet50' is not in division closed (only in whatif);")


def test_an_accelerator_of_another_division_is_refused_naming_that_division(training):
    reason = training.why_not("unet3d", "h100", Division.OPEN)
    assert reason.startswith("accelerator 'h100' is not in division open (only in whatif); allowed: b200, mi355")


def test_an_unknown_accelerator_is_refused_with_the_nearest_one(training):
    assert training.why_not("unet3d", "b20", Division.CLOSED).endswith("allowed: b200, mi355; did you mean b200?")


def test_a_pair_without_a_template_is_refused_with_those_there_are(training):
    reason = training.why_not("resnet50", "b200", Division.WHATIF)
    assert reason.startswith("resnet50 on b200 has no template in this edition; allowed: ")
    assert "did you mean resnet50_" in reason
    assert "unet3d_b200" in reason
    assert "unet3d_mi355" not in reason
    assert "flux_a100" not in reason
    with pytest.raises(ConfigurationError, match="no training template resnet50_b200"):
        training.template("resnet50", "b200")


def test_a_superseded_preview_is_kept_as_data_but_offered_nowhere(training):
    assert training.templates["flux", "a100"].parameters["train"]["computation_time"] == 1.1
    assert "is superseded" in training.why_not("flux", "a100", Division.WHATIF)
    with pytest.raises(ConfigurationError, match="flux on a100 is superseded"):
        training.template("flux", "a100")


def test_a_template_of_status_whatif_is_refused_in_closed_even_where_model_and_accelerator_are_allowed(training):
    templates = {**training.templates, ("unet3d", "b200"): training.templates["unet3d", "b200"].model_copy(update={"status": "whatif"})}
    changed = training.model_copy(update={"templates": templates})
    assert changed.why_not("unet3d", "b200", Division.CLOSED).startswith("unet3d_b200 is only in division whatif")
    assert changed.why_not("unet3d", "b200", Division.WHATIF) is None


def test_a_template_has_the_name_that_dlio_is_given(training):
    assert training.template("retinanet", "mi355").name == "retinanet_mi355"


def test_the_template_of_unet3d_on_b200_holds_the_published_values(training):
    assert training.template("unet3d", "b200").copy_parameters() == {
        "model": {"name": "unet3d", "type": "cnn", "model_size": 499153191},
        "framework": "pytorch",
        "workflow": {"generate_data": False, "train": True, "checkpoint": False},
        "dataset": {
            "data_folder": "data/unet3d/",
            "format": "npz",
            "num_files_train": 7200,
            "num_samples_per_file": 1,
            "record_length_bytes": 146600628,
            "record_length_bytes_stdev": 68341808,
            "record_length_bytes_resize": 2097152,
        },
        "reader": {
            "data_loader": "pytorch",
            "batch_size": 7,
            "read_threads": 4,
            "multiprocessing_context": "fork",
            "file_shuffle": "seed",
            "sample_shuffle": "seed",
        },
        "train": {"epochs": 5, "computation_time": 0.162},
        "checkpoint": {"checkpoint_folder": "checkpoints/unet3d", "checkpoint_after_epoch": 5, "epochs_between_checkpoints": 2},
        "metric": {"au": 0.9},
    }


@pytest.mark.parametrize("pair", sorted(OLDER))
def test_the_older_workloads_are_the_same_in_all_editions_but_for_their_spelling(pair):
    one, two, three = (edition(name).training.template(*pair).copy_parameters() for name in ("1.0", "2.0", "3.0"))
    # Templates of 3.0 no longer checkpoint within training.
    if pair[0] == "unet3d":
        assert (two["workflow"].pop("checkpoint"), three["workflow"].pop("checkpoint")) == (True, False)
    assert two == three
    two["workflow"] = one["workflow"]
    one["dataset"] = {key.replace("record_length", "record_length_bytes"): value for key, value in one["dataset"].items()}
    assert one["model"] == two.pop("model")["name"]
    del one["model"]
    if pair[0] == "unet3d":
        assert one["checkpoint"].pop("model_size") == 499153191
    assert one == two


def test_edition_1_0_spells_the_record_length_without_bytes():
    for template in edition("1.0").training.templates.values():
        keys = [key for key in template.parameters["dataset"] if key.startswith("record_length")]
        assert keys
        assert not any("bytes" in key for key in keys)
    assert [edition(name).training.record_key for name in ("1.0", "2.0", "3.0")] == [
        "record_length", "record_length_bytes", "record_length_bytes",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("key", "category"),
    [
        ("dataset.num_files_train", Category.CLOSED),
        ("reader.odirect", Category.CLOSED),
        ("storage.storage_options.prefetch_window", Category.CLOSED),
        ("checkpoint.checkpoint_folder", Category.CLOSED),
        ("dataset.skip_listing", Category.CLOSED),
        ("workflow.train", Category.CLOSED),
        ("framework", Category.OPEN),
        ("reader.data_loader", Category.OPEN),
        ("train.epochs", Category.INVALID),
        ("reader.batch_size", Category.INVALID),
        ("", Category.INVALID),
    ],
)
def test_an_overridden_key_makes_a_run_of_3_0_closed_open_or_invalid(training, key, category):
    assert training.key_category(key) is category


def test_the_allow_lists_of_the_editions_differ_as_published():
    one, two, three = (set(edition(name).training.closed_keys) for name in ("1.0", "2.0", "3.0"))
    assert three - two == {"storage.storage_options.prefetch_window"}
    assert two - one == {"reader.odirect"}
    assert not one - two
    assert not two - three
    assert edition("1.0").training.open_keys == edition("2.0").training.open_keys == edition("3.0").training.open_keys


def test_datagen_sets_what_its_template_sets(training):
    assert training.datagen_parameters("unet3d")["dataset.num_files_train"] == 168
    assert training.datagen_parameters("dlrm")["dataset.parquet.row_group_size"] == 8192
    assert training.datagen_parameters("resnet50") == {}

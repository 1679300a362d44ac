"""From what rules said to verdicts of results, submissions and trees."""

import dataclasses

import pytest
from training_tree import ACCEPTED_ENGINE, TrainingTree

from pytest_mlpstorage.results.places import SubjectPlace
from pytest_mlpstorage.results.tree import Tree, read_tree
from pytest_mlpstorage.rules import judge_place, judge_result, judge_submission, judge_tree, said_of
from pytest_mlpstorage.rules.catalogue import counting
from pytest_mlpstorage.rules.judging import Said
from pytest_mlpstorage.verdict import Category, Division, Finding, NoEvidence, Severity, Verdict

RESULT = "closed/acme/results/fastfs/training/unet3d"
SYSTEM = "closed/acme/systems/fastfs.yaml"
SUBMISSION = "closed/acme"


def places(division=Division.CLOSED, edition="3.0", kind="training", *, described=True, others=()):
    names = {"submitter": "acme", "system": "fastfs"}
    top = f"{division.value}/acme"
    found = [
        SubjectPlace("package", ".", division, edition),
        SubjectPlace("submission", top, division, edition, submitter="acme"),
        SubjectPlace(kind, f"{top}/results/fastfs/{kind}/m", division, edition, model="m", **names),
    ]
    if described:
        found.append(SubjectPlace("system", f"{top}/systems/fastfs.yaml", division, edition, **names))
    return Tree(root=None, places=(*found, *others))


def saying(changes=None):
    """Tell that every rule had its evidence and found nothing, but for ``changes``: (kind, rule id) to what was said; None: nothing."""

    def say(place):
        said = {entry.id: Said() for entry in counting(place.edition, place.kind, place.division)}
        for (kind, rule_id), what in (changes or {}).items():
            if kind == place.kind and what is None:
                said.pop(rule_id, None)
            elif kind == place.kind:
                said[rule_id] = what
        return said

    return say


def found(rule_id, **values):
    return Said(findings=(Finding("bad", rule=rule_id, **values),))


def result_verdict(changes=None, tree=None, profile="strict"):
    tree = tree or places()
    return judge_result(tree, tree.result_places[0], saying(changes), profile)


def submission_verdict(changes=None, tree=None, profile="strict"):
    tree = tree or places()
    place = next(place for place in tree.places if place.kind == "submission")
    results = [(p, judge_result(tree, p, saying(changes), profile)) for p in tree.inside(place) if p.is_result]
    return judge_submission(tree, place, saying(changes), results, profile)


@pytest.mark.parametrize("kind", ["training", "checkpointing", "vector_database", "kv_cache"])
@pytest.mark.parametrize(("division", "verdict"), [(Division.CLOSED, Verdict.CLOSED), (Division.OPEN, Verdict.OPEN)])
def test_a_result_whose_rules_all_had_their_evidence_is_what_its_directory_says(kind, division, verdict):
    tree = places(division, kind=kind)
    judgement = result_verdict(tree=tree)
    assert judgement.verdict is verdict
    needed = sum(len(counting("3.0", k, division)) for k in (kind, "system", "submission"))
    assert (judgement.rules_verified, judgement.rules_total) == (needed, needed)


@pytest.mark.parametrize(("kind", "rule_id"), [("training", "3.3.2"), ("system", "SYS-05"), ("submission", "2.1.8")])
def test_a_rule_without_evidence_makes_a_result_not_verified_wherever_it_looks(kind, rule_id):
    judgement = result_verdict({(kind, rule_id): Said(lacking=(NoEvidence("it could not be read", "a/file"),))})
    assert judgement.verdict is Verdict.NOT_VERIFIED
    assert judgement.rules_total - judgement.rules_verified == 1
    assert judgement.reasons[0].startswith(f"{rule_id} ")
    assert judgement.reasons[0].endswith("no evidence: it could not be read in a/file")


def test_a_log_that_the_publisher_pruned_is_not_waited_for():
    pruned = Said(lacking=(NoEvidence("pruned", "a", withheld=True),))
    assert result_verdict({("training", "3.4.2"): pruned}).verdict is Verdict.CLOSED


@pytest.mark.parametrize(("kind", "rule_id"), [("training", "3.3.2"), ("system", "SYS-05"), ("submission", "2.1.8")])
def test_a_deselected_rule_makes_a_result_not_verified(kind, rule_id):
    judgement = result_verdict({(kind, rule_id): None})
    assert judgement.verdict is Verdict.NOT_VERIFIED
    assert [reason.split(" ")[0] for reason in judgement.reasons] == [rule_id]


@pytest.mark.parametrize("rule_id", ["MLPS-METRIC-1", "EDN-03", "GEN-1", "3.6.1"])
def test_rules_of_this_suite_those_that_warn_and_those_for_people_are_not_waited_for(rule_id):
    lacking = Said(lacking=(NoEvidence("gone", "a"),))
    assert result_verdict({("training", rule_id): lacking, ("submission", rule_id): lacking}).verdict is Verdict.CLOSED


def test_a_system_without_a_description_leaves_its_rules_unverified_in_one_line():
    judgement = result_verdict(tree=places(described=False))
    assert judgement.verdict is Verdict.NOT_VERIFIED
    assert judgement.rules_total - judgement.rules_verified == len(counting("3.0", "system", Division.CLOSED))
    assert len(judgement.reasons) == 1
    assert "no description of the system fastfs" in judgement.reasons[0]


@pytest.mark.parametrize(
    ("kind", "where"), [("training", None), ("system", f"the system description {SYSTEM}"), ("submission", f"the submission {SUBMISSION}")]
)
def test_an_error_of_a_result_of_its_system_or_of_its_submission_makes_it_invalid(kind, where):
    judgement = result_verdict({(kind, "X-1"): found("X-1", file="f")})
    assert judgement.verdict is Verdict.INVALID
    assert judgement.reasons == (("[X-1] bad; in f",) if where is None else (f"{where} is INVALID by X-1",))
    assert len(judgement.findings) == 1
    assert len(judgement.own) == (1 if where is None else 0)


def test_an_error_at_the_top_of_the_tree_counts_for_no_single_result():
    assert result_verdict({("package", "2.1.2"): found("2.1.2")}).verdict is Verdict.CLOSED


def test_a_finding_that_allows_open_only_makes_a_closed_result_open():
    judgement = result_verdict({("training", "E"): found("E", severity=Severity.INFO, category=Category.OPEN)})
    assert judgement.verdict is Verdict.OPEN
    assert judgement.reasons == ("[E] bad",)


def test_a_whatif_result_claims_nothing_and_its_errors_are_information():
    judgement = result_verdict({("training", "X"): found("X"), ("submission", "Y"): found("Y")}, tree=places(Division.WHATIF))
    assert judgement.verdict is Verdict.WHATIF
    assert {f.severity for f in (*judgement.findings, *judgement.own)} == {Severity.INFO}


@pytest.mark.parametrize(("kind", "edition"), [("vector_database", "2.0"), ("checkpointing", "1.0")])
def test_a_family_that_an_edition_has_no_rules_for_never_passes_for_want_of_them(kind, edition):
    judgement = result_verdict(tree=places(edition=edition, kind=kind))
    assert judgement.verdict is Verdict.NOT_VERIFIED
    assert judgement.reasons[-1].endswith("not built yet")


def test_output_of_a_tool_that_is_no_submission_is_judged_by_the_rules_on_the_result_alone():
    place = SubjectPlace("training", "training/unet3d", Division.CLOSED, "2.0", layout="2.0", model="unet3d")
    judgement = judge_result(Tree(None, (place,)), place, saying())
    assert judgement.rules_total == len(counting("2.0", "training", Division.CLOSED))


def test_equal_findings_are_one_with_a_count_and_the_heaviest_come_first():
    said = Said(findings=(Finding("b", rule="2.1.19"), Finding("b", rule="2.1.19"), Finding("a", rule="2.1.9")))
    judgement = result_verdict({("training", "x"): found("A", severity=Severity.WARNING), ("training", "y"): said})
    assert [(f.rule, f.count) for f in judgement.findings] == [("2.1.9", 1), ("2.1.19", 2), ("A", 1)]


def test_a_relaxed_profile_is_named_in_the_verdict_itself():
    judgement = result_verdict(profile="v3.0-round")
    assert judgement.verdict is Verdict.CLOSED
    assert [f.rule for f in judgement.findings] == ["MLPS-PROFILE-1"]
    assert not result_verdict(profile="v3.0-round", tree=places(edition="2.0")).findings


def test_a_submission_is_the_worst_of_what_it_holds():
    assert submission_verdict().verdict is Verdict.CLOSED
    assert submission_verdict(tree=places(Division.OPEN)).verdict is Verdict.OPEN
    assert submission_verdict(tree=places(Division.WHATIF)).verdict is Verdict.WHATIF
    assert submission_verdict({("submission", "2.1.8"): None}).verdict is Verdict.NOT_VERIFIED
    opened = found("E", severity=Severity.INFO, category=Category.OPEN)
    assert submission_verdict({("training", "E"): opened}).verdict is Verdict.OPEN
    for kind in ("training", "system", "submission"):
        assert submission_verdict({(kind, "X"): found("X"), ("submission", "2.1.8"): None}).verdict is Verdict.INVALID


def test_a_submission_says_which_result_makes_it_what_it_is():
    judgement = submission_verdict({("training", "X"): found("X")})
    assert judgement.reasons == ("closed/acme/results/fastfs/training/m: INVALID",)


def test_a_submission_without_results_is_not_verified():
    tree = places()
    place = tree.places[1]
    judgement = judge_submission(tree, place, saying(), [])
    assert judgement.verdict is Verdict.NOT_VERIFIED
    assert judgement.reasons[-1] == "it holds no result"


def test_the_only_submission_of_a_tree_is_the_package_and_one_of_many_is_not():
    package = {("package", "2.1.2"): found("2.1.2")}
    assert submission_verdict(package).verdict is Verdict.INVALID
    merged = places(others=(SubjectPlace("submission", "open/other", Division.OPEN, "3.0", submitter="other"),))
    assert submission_verdict(package, tree=merged).verdict is Verdict.CLOSED


def test_the_first_of_two_files_that_describe_one_system_is_its_description():
    second = SubjectPlace("system", "closed/acme/systems/fastfs.yml", Division.CLOSED, "3.0", submitter="acme", system="fastfs")
    tree = places(others=(second,))
    assert tree.description_place(tree.result_places[0]).relpath.endswith(".yaml")


# -- on trees that are read ------------------------------------------------------------------------------------------


def test_one_function_judges_a_place_and_a_whole_tree_alike(tmp_path):
    tree = TrainingTree.write(tmp_path / "t", engine={**ACCEPTED_ENGINE, "commit": ""})
    TrainingTree.write(tmp_path / "t", division="whatif", system="laptop", runs=3)
    tree.edit_metric(run=2, train_au_mean_percentage=10.0)
    found_tree = read_tree(tree.root)
    judged = judge_tree(found_tree)
    for place in found_tree.result_places:
        assert judge_place(found_tree, place) == judged.results[place.relpath]
    assert [j.verdict for j in judged.results.values()] == [Verdict.INVALID, Verdict.WHATIF]
    assert [j.verdict for j in judged.submissions.values()] == [Verdict.INVALID, Verdict.WHATIF]


def test_utilization_under_the_limit_is_a_warning_in_whatif(tmp_path):
    tree = TrainingTree.write(tmp_path / "t", division="whatif", runs=3)
    tree.edit_metric(train_au_mean_percentage=10.0)
    found_tree = read_tree(tree.root)
    judgement = judge_place(found_tree, found_tree.result_places[0])
    assert {f.severity for f in judgement.own if f.rule == "3.3.2"} == {Severity.WARNING}
    assert {f.severity for f in judgement.own if f.rule == "2.1.17"} == {Severity.INFO}


def test_the_division_is_the_directory_and_not_what_the_metadata_claims(tree):
    tree.override(dataset__format="hdf5")
    tree.edit_metadata(lambda m: m.update(verification="OPEN"))
    found_tree = read_tree(tree.root)
    assert "3.6.2" in {f.rule for f in judge_place(found_tree, found_tree.result_places[0]).own}


def test_a_foreign_engine_makes_a_verified_closed_result_open(tmp_path):
    tree = read_tree(TrainingTree.write(tmp_path / "t", engine={**ACCEPTED_ENGINE, "commit": "", "version": "2.0.0"}).root)
    engine = said_of(tree.load(tree.result_places[0]))["MLPS-ENGINE-1"]
    judgement = result_verdict({("training", "MLPS-ENGINE-1"): dataclasses.replace(engine)})
    assert judgement.verdict is Verdict.OPEN
    assert "MLPS-ENGINE-1" in judgement.reasons[0]

import pytest

from higgs_lib.study import Run, comparison
from higgs_lib.study.run import TestEventsError


def publish(run, notebook, classifier, n_test, seeds=(1,)):
    """Stores and publishes results of a classifier, as a notebook does."""
    names = [f"{classifier}-low-seed{seed}" for seed in seeds]
    for name, seed in zip(names, seeds, strict=True):
        recipe = {"classifier": classifier, "features": "low", "seed": seed, "n_test": n_test}
        run.save(name, {"recipe": recipe, "test": {"auc": {"value": 0.7, "low": 0.69, "high": 0.71}}})
    run.publish(notebook, [run.result(name) for name in names])


def test_results_of_different_test_events_are_not_put_together(tmp_path):
    """As with n_test in the section of one notebook alone."""
    run = Run(tmp_path)
    publish(run, "networks", "deep", 1500)
    publish(run, "trees", "trees", 100)
    assert comparison.auc(run, "deep", "low").value == 0.7
    for reads in (comparison.auc, comparison.ensemble, Run.results):
        with pytest.raises(TestEventsError, match="trees-low-seed1 was measured on 100 test events and deep-low-seed1"):
            reads(run, "trees", "low")
    with pytest.raises(TestEventsError, match="on 1,500, so they cannot be compared; give all notebooks the same"):
        comparison.difference(run, "deep, low", "trees, low")


def test_a_run_may_be_made_again_with_other_test_events(tmp_path):
    """While the first notebook runs again, the results of later ones are still those of before."""
    run = Run(tmp_path)
    for n_test in (400, 100):
        publish(run, "networks", "deep", n_test)
        assert run.results("deep", "low")[0]["recipe"]["n_test"] == n_test
        publish(run, "kinematics", "kinematic", n_test, seeds=(1, 2))
        assert len(run.results("kinematic", "low")) == 2
    assert len(run.published()) == 3

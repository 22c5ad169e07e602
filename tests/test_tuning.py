"""Tuning jobs run training jobs with other hyperparameters each, and know which was the best."""

import re
import statistics
import time
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError

from helpers.local_account.runners.tuning_search import Search
from test_training import ROLE, SKLEARN, Region, channel
from test_xgboost_algorithm import XGBOOST, csv_channels, table, text  # noqa: F401

SCRIPT = """
import argparse, pathlib, sys, time

arguments = argparse.ArgumentParser()
arguments.add_argument("--value", type=float, default=0)
arguments.add_argument("--count", type=int, default=0)
arguments.add_argument("--kind", default="plain")
arguments.add_argument("--epochs", type=int, default=1)
arguments.add_argument("--pause", type=float, default=0)
given = arguments.parse_args()
if given.kind == "broken":
    sys.exit("broken on purpose")
for epoch in range(given.epochs):
    if given.kind != "silent":
        print(f"score={given.value + given.count}", flush=True)
    time.sleep(given.pause)
pathlib.Path("/opt/ml/model/value").write_text(str(given.value))
"""
METRICS = [{"Name": "score", "Regex": "score=([0-9.]+)"}]


class Tuner(Region):
    """What a user of tuning jobs does in these tests."""

    def __init__(self, account):
        super().__init__(account)
        self.put("script/train.py", SCRIPT)

    def request(self, name, ranges, strategy="Random", most=4, parallel=2, static=None, limits=None, **members):
        """Return the request for a tuning job; further members go into its configuration."""
        static = {"sagemaker_program": "train.py", **(static or {})}
        return {
            "HyperParameterTuningJobName": name,
            "HyperParameterTuningJobConfig": {
                "Strategy": strategy,
                "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "score"},
                "ResourceLimits": {
                    **({"MaxNumberOfTrainingJobs": most} if most else {}),
                    "MaxParallelTrainingJobs": parallel,
                    **(limits or {}),
                },
                "ParameterRanges": ranges,
                **members,
            },
            "TrainingJobDefinition": {
                "AlgorithmSpecification": {
                    "TrainingImage": SKLEARN,
                    "TrainingInputMode": "File",
                    "MetricDefinitions": METRICS,
                },
                "StaticHyperParameters": {"sagemaker_submit_directory": "/opt/ml/input/data/code", **static},
                "RoleArn": ROLE,
                "InputDataConfig": [channel("code", "s3://course/script/")],
                "OutputDataConfig": {"S3OutputPath": "s3://course/out"},
                "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
                "StoppingCondition": {"MaxRuntimeInSeconds": 600},
            },
        }

    def tune(self, name, ranges, **members):
        """Run a tuning job to its end and return its description."""
        self.sagemaker.create_hyper_parameter_tuning_job(**self.request(name, ranges, **members))
        return self.rest(name)

    def rest(self, name):
        """Wait for the end of a tuning job and return its description."""
        end = time.monotonic() + 60
        while (job := self.describe(name))["HyperParameterTuningJobStatus"] in ("InProgress", "Stopping"):
            assert time.monotonic() < end, job
            time.sleep(0.02)
        return job

    def describe(self, name):
        return self.sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)

    def jobs(self, name, **members):
        """Return the training jobs of a tuning job."""
        return self.sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=name, **{"MaxResults": 100, **members}
        )["TrainingJobSummaries"]


@pytest.fixture(scope="module")
def tuner(shared_account):
    return Tuner(shared_account)


def number(name, low, high, scaling=None):
    """Ranges with one continuous hyperparameter."""
    scaled = {"ScalingType": scaling} if scaling else {}
    return {"ContinuousParameterRanges": [{"Name": name, "MinValue": low, "MaxValue": high, **scaled}]}


def choice(**values):
    """Ranges with categorical hyperparameters."""
    return {"CategoricalParameterRanges": [{"Name": name, "Values": each} for name, each in values.items()]}


def test_training_jobs_run_and_the_best_is_known(tuner):
    job = tuner.tune("first", number("value", "0", "10"))
    assert job["HyperParameterTuningJobStatus"] == "Completed", job.get("FailureReason")
    trained = tuner.jobs("first")
    assert all(
        re.fullmatch(rf"first-{n:03}-[0-9a-f]{{8}}", each["TrainingJobName"]) for n, each in enumerate(trained, 1)
    )
    values = {each["TrainingJobName"]: float(each["TunedHyperParameters"]["value"]) for each in trained}
    best = job["BestTrainingJob"]
    assert best["TrainingJobName"] == max(values, key=values.get)
    assert best["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] == pytest.approx(max(values.values()))
    assert tuner.archive(f"out/{best['TrainingJobName']}/output/model.tar.gz") == {"value": str(max(values.values()))}
    assert job["TrainingJobStatusCounters"]["Completed"] == job["ObjectiveStatusCounters"]["Succeeded"] == 4


def test_a_training_job_knows_the_tuning_job_that_started_it(tuner):
    request = tuner.request("parented", number("value", "0", "1"), most=1, static={"count": "2"})
    tuner.sagemaker.create_hyper_parameter_tuning_job(**request, Tags=[{"Key": "learner", "Value": "me"}])
    tuned, name = tuner.rest("parented"), tuner.jobs("parented")[0]["TrainingJobName"]
    job = tuner.sagemaker.describe_training_job(TrainingJobName=name)
    assert job["TuningJobArn"] == tuned["HyperParameterTuningJobArn"]
    assert job["HyperParameters"].items() >= {"count": "2", "_tuning_objective_metric": "score"}.items()
    assert tuned["HyperParameterTuningJobConfig"] == request["HyperParameterTuningJobConfig"]
    tags = tuner.sagemaker.list_tags(ResourceArn=job["TrainingJobArn"])["Tags"]
    assert tags == [{"Key": "learner", "Value": "me"}]


@pytest.mark.parametrize("strategy", ["Random", "Bayesian"])
def test_the_same_seed_suggests_the_same_values(strategy):
    ranges = {
        **number("value", "0.001", "1", "Logarithmic"),
        "IntegerParameterRanges": [{"Name": "count", "MinValue": "1", "MaxValue": "9"}],
        **choice(kind=["plain", "other"]),
    }
    found = []
    for seed in (7, 7, 8):
        search = Search(strategy, ranges, True, seed)
        found.append([])
        for _ in range(8):
            suggestion = search.suggest()
            search.learn(suggestion, float(suggestion.values["value"]))
            found[-1].append(suggestion.values)
    assert found[0] == found[1] != found[2]
    assert all(set(values) == {"value", "count", "kind"} for values in found[0])


def test_bayesian_search_learns_from_results():
    found = {}
    for strategy in ("Random", "Bayesian"):
        search, found[strategy] = Search(strategy, number("value", "0", "1"), True, 3), []
        for _ in range(30):
            suggestion = search.suggest()
            value = float(suggestion.values["value"])
            search.learn(suggestion, -abs(value - 0.7))
            found[strategy].append(abs(value - 0.7))
    assert statistics.median(found["Bayesian"][10:]) < statistics.median(found["Random"][10:]) / 2


@pytest.mark.parametrize(
    "scaling, low, high, middle",
    [("Linear", "0", "1", 0.5), ("Logarithmic", "0.0001", "1", 0.01), ("ReverseLogarithmic", "0", "0.9999", 0.99)],
)
def test_a_scale_says_where_values_are_searched(scaling, low, high, middle):
    search = Search("Random", number("value", low, high, scaling), True, 1)
    values = [float(search.suggest().values["value"]) for _ in range(400)]
    assert all(float(low) <= value <= float(high) for value in values)
    assert 150 < sum(value < middle for value in values) < 250


def test_a_grid_is_tried_whole(tuner):
    ranges = choice(value=["1", "2"], count=["0", "10", "20"])
    job = tuner.tune("grid", ranges, strategy="Grid", most=None, parallel=3)
    tried = {tuple(sorted(each["TunedHyperParameters"].items())) for each in tuner.jobs("grid")}
    assert len(tried) == 6
    assert job["BestTrainingJob"]["TunedHyperParameters"] == {"value": "2", "count": "20"}


def test_no_more_run_at_a_time_than_asked_for(tuner):
    tuner.tune("narrow", number("value", "0", "1"), most=5, parallel=2, static={"pause": "0.1"})
    spans = [(job["CreationTime"], job["TrainingEndTime"]) for job in tuner.jobs("narrow")]
    assert max(sum(begin <= moment < end for begin, end in spans) for moment, _ in spans) == 2


def test_failed_training_jobs_are_counted_and_passed_over(tuner):
    job = tuner.tune("some", choice(kind=["broken", "plain", "silent"]), strategy="Grid", most=None)
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    statuses, objectives = job["TrainingJobStatusCounters"], job["ObjectiveStatusCounters"]
    assert (statuses["Completed"], statuses["NonRetryableError"]) == (2, 1)
    assert objectives == {"Succeeded": 1, "Pending": 0, "Failed": 2}
    assert job["BestTrainingJob"]["TunedHyperParameters"] == {"kind": "plain"}


def test_a_tuning_job_gives_up_when_nothing_works(tuner):
    job = tuner.tune("broken", number("value", "0", "1"), most=20, static={"kind": "broken"})
    assert (job["HyperParameterTuningJobStatus"], "BestTrainingJob" in job) == ("Failed", False)
    assert re.match(r"No training job succeeded after \d attempts\. Please take a look", job["FailureReason"])
    assert len(tuner.jobs("broken")) <= 6


def test_who_is_stopped_since_nothing_works_is_no_success(tuner):
    tried = choice(kind=["plain", "broken"], value=["1", "2", "3", "4", "5"])
    static = {"epochs": "2", "pause": "60"}  # five that have a result and go on, then one after the other that fails
    job = tuner.tune("hopeless", tried, strategy="Grid", most=None, parallel=6, static=static)
    assert job["HyperParameterTuningJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("No training job succeeded after 5 attempts.")
    assert job["TrainingJobStatusCounters"]["Stopped"] == 5


def test_a_tuning_job_without_a_metric_fails(tuner):
    job = tuner.tune("silent", number("value", "0", "1"), most=2, static={"kind": "silent"})
    assert job["FailureReason"].startswith("No objective metrics found after running 2 training jobs.")


def test_a_stopped_tuning_job_stops_its_training_jobs(tuner):
    static = {"epochs": "900", "pause": "0.1"}
    tuner.sagemaker.create_hyper_parameter_tuning_job(
        **tuner.request("stopped", number("value", "0", "1"), most=9, static=static)
    )
    while not all("TrainingStartTime" in job for job in tuner.jobs("stopped")) or not tuner.jobs("stopped"):
        time.sleep(0.02)
    with pytest.raises(ClientError, match="is InProgress"):
        tuner.sagemaker.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName="stopped")
    tuner.sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="stopped")
    assert tuner.rest("stopped")["HyperParameterTuningJobStatus"] == "Stopped"
    assert {job["TrainingJobStatus"] for job in tuner.jobs("stopped")} == {"Stopped"}
    tuner.sagemaker.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName="stopped")
    with pytest.raises(ClientError, match="Requested resource not found"):
        tuner.describe("stopped")


def test_a_training_job_that_cannot_be_created_fails_the_tuning_job(tuner):
    tuner.put("vanishing/train.py", SCRIPT)
    request = tuner.request("vanishing", number("value", "0", "1"), most=3, parallel=1, static={"pause": "1"})
    request["TrainingJobDefinition"]["InputDataConfig"] = [channel("code", "s3://course/vanishing/")]
    tuner.sagemaker.create_hyper_parameter_tuning_job(**request)
    while not any("TrainingStartTime" in job for job in tuner.jobs("vanishing")):
        time.sleep(0.02)
    tuner.until(tuner.jobs("vanishing")[0]["TrainingJobName"], "Invoking script with the following command:")
    tuner.s3.delete_object(Bucket="course", Key="vanishing/train.py")
    job = tuner.rest("vanishing")
    assert job["HyperParameterTuningJobStatus"] == "Failed"
    assert re.match(r"Training job vanishing-002-\w+ could not be created: No S3 objects", job["FailureReason"])


def test_a_target_that_is_reached_ends_the_tuning_job(tuner):
    criteria = {"TargetObjectiveMetricValue": 5.0}
    job = tuner.tune("target", number("value", "6", "7"), most=9, parallel=1, TuningJobCompletionCriteria=criteria)
    assert (job["HyperParameterTuningJobStatus"], len(tuner.jobs("target"))) == ("Completed", 1)


def test_a_tuning_job_that_does_not_get_better_ends(tuner):
    criteria = {"BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 3}}
    job = tuner.tune("flat", number("value", "100", "100.1"), most=9, parallel=1, TuningJobCompletionCriteria=criteria)
    assert len(tuner.jobs("flat")) == 4
    assert job["TuningJobCompletionDetails"]["NumberOfTrainingJobsObjectiveNotImproving"] == 3


def test_early_stopping_stops_what_is_worse_than_the_median(tuner):
    ranges = choice(value=["3", "1", "2"])  # one after the other, in this order
    job = tuner.tune(
        "early",
        ranges,
        strategy="Grid",
        most=None,
        parallel=1,
        static={"epochs": "8", "pause": "0.1"},
        TrainingJobEarlyStoppingType="Auto",
    )
    assert [each["TrainingJobStatus"] for each in tuner.jobs("early")] == ["Completed", "Stopped", "Completed"]
    assert job["ObjectiveStatusCounters"]["Succeeded"] == 3


def test_hyperband_stops_what_falls_behind(tuner):
    resource = {"HyperbandStrategyConfig": {"MinResource": 1, "MaxResource": 9}}
    job = tuner.tune(
        "band",
        number("value", "0", "1"),
        strategy="Hyperband",
        most=6,
        parallel=3,
        static={"epochs": "9", "pause": "0.05"},
        StrategyConfig=resource,
        RandomSeed=1,
    )
    counters = job["TrainingJobStatusCounters"]
    assert counters["Stopped"] >= 1 and counters["Stopped"] + counters["Completed"] == 6
    values = {each["TunedHyperParameters"]["value"] for each in tuner.jobs("band", StatusEquals="Stopped")}
    assert job["BestTrainingJob"]["TunedHyperParameters"]["value"] not in values


def test_a_warm_start_knows_what_its_parents_found(tuner):
    ranges = number("value", "0", "1")
    tuner.tune("parent", ranges, most=3, RandomSeed=1)
    request = tuner.request("child", number("value", "0", "0.1"), strategy="Bayesian", most=2)
    parents = [{"HyperParameterTuningJobName": "parent"}]
    warm = {"ParentHyperParameterTuningJobs": parents, "WarmStartType": "IdenticalDataAndAlgorithm"}
    tuner.sagemaker.create_hyper_parameter_tuning_job(**request, WarmStartConfig=warm)
    child = tuner.rest("child")
    assert child["OverallBestTrainingJob"]["TuningJobName"] == "parent"
    assert child["BestTrainingJob"]["TuningJobName"] == "child"
    request["HyperParameterTuningJobName"] = "stranger"
    request["TrainingJobDefinition"]["StaticHyperParameters"]["epochs"] = "2"
    with pytest.raises(ClientError, match="must be that of the parent tuning job parent"):
        tuner.sagemaker.create_hyper_parameter_tuning_job(**request, WarmStartConfig=warm)


def test_several_definitions_take_turns(tuner):
    request = tuner.request("turns", {}, most=4)
    config, definition = request["HyperParameterTuningJobConfig"], request.pop("TrainingJobDefinition")
    objective, _ = config.pop("HyperParameterTuningJobObjective"), config.pop("ParameterRanges")
    request["TrainingJobDefinitions"] = [
        {
            **definition,
            "DefinitionName": name,
            "TuningObjective": objective,
            "HyperParameterRanges": number(name, *ends),
        }
        for name, ends in (("value", ("0", "1")), ("pause", ("0.01", "0.02")))
    ]
    tuner.sagemaker.create_hyper_parameter_tuning_job(**request)
    assert tuner.rest("turns")["BestTrainingJob"]["TrainingJobDefinitionName"] == "value"
    assert sorted(job["TrainingJobDefinitionName"] for job in tuner.jobs("turns")) == ["pause"] * 2 + ["value"] * 2


def test_lists_have_every_filter_and_order(tuner):
    tuner.tune("listed", choice(value=["2", "3", "1"], kind=["plain", "silent"]), strategy="Grid", most=None)
    scores = [
        job["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
        for job in tuner.jobs("listed", SortBy="FinalObjectiveMetricValue", SortOrder="Descending")
    ]
    assert scores == [3, 2, 1]
    first = tuner.sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName="listed", MaxResults=4, SortBy="CreationTime"
    )
    rest = tuner.jobs("listed", NextToken=first["NextToken"], SortBy="CreationTime")
    assert [job["TrainingJobName"][7:10] for job in first["TrainingJobSummaries"] + rest] == [
        f"00{n}" for n in range(1, 7)
    ]
    with pytest.raises(ClientError, match="Invalid NextToken"):
        tuner.jobs("listed", NextToken=first["NextToken"], SortBy="Name")
    assert tuner.jobs("listed", StatusEquals="Stopped") == []
    listed = tuner.sagemaker.list_hyper_parameter_tuning_jobs(NameContains="listed", StatusEquals="Completed")
    (shown,) = listed["HyperParameterTuningJobSummaries"]
    assert (shown["Strategy"], shown["ResourceLimits"]["MaxNumberOfTrainingJobs"]) == ("Grid", 6)
    assert shown["ObjectiveStatusCounters"]["Succeeded"] == 3
    assert shown["CreationTime"] < datetime.now(UTC)


@pytest.mark.slow
def test_a_tuning_job_that_is_cut_off_has_failed_after_the_restart(account):
    tuner = Tuner(account)
    static = {"epochs": "900", "pause": "0.1"}
    tuner.sagemaker.create_hyper_parameter_tuning_job(**tuner.request("cut", number("value", "0", "1"), static=static))
    while len(tuner.jobs("cut")) < 2:
        time.sleep(0.02)
    account.kill()
    account.start()
    job = tuner.describe("cut")
    assert job["FailureReason"] == "The local account was stopped while this job ran."
    assert (job["HyperParameterTuningJobStatus"], job["TrainingJobStatusCounters"]["InProgress"]) == ("Failed", 0)
    assert job["TrainingJobStatusCounters"]["NonRetryableError"] == 2


ONE = number("value", "0", "1")
REFUSED = [
    ({"most": 751}, "ResourceLimitExceeded", "training jobs per hyperparameter tuning job"),
    ({"parallel": 11}, "ResourceLimitExceeded", "parallel training jobs"),
    ({"most": None}, "ValidationException", "MaxNumberOfTrainingJobs is required"),
    ({"strategy": "Grid", "most": None}, "ValidationException", "categorical hyperparameters only"),
    ({"strategy": "Grid", "ranges": choice(kind=["a", "b"])}, "ValidationException", "number of combinations, 2"),
    ({"strategy": "Hyperband"}, "ValidationException", "MaxResource must be given"),
    (
        {"strategy": "Hyperband", "static": {"epochs": "9"}, "TrainingJobEarlyStoppingType": "Auto"},
        "ValidationException",
        "must be Off with Hyperband",
    ),
    ({"StrategyConfig": {"HyperbandStrategyConfig": {"MaxResource": 9}}}, "ValidationException", "for Hyperband only"),
    ({"ranges": number("value", "0", "1", "Logarithmic")}, "ValidationException", "greater than 0"),
    ({"ranges": number("value", "0", "1", "ReverseLogarithmic")}, "ValidationException", "within 0 <= x < 1"),
    ({"ranges": number("value", "1", "0")}, "ValidationException", "must be less than"),
    ({"ranges": number("value", "low", "1")}, "ValidationException", "must be numbers"),
    ({"ranges": {}}, "ValidationException", "at least one hyperparameter"),
    ({"ranges": {**ONE, **choice(value=["1"])}}, "ValidationException", "one range only"),
    ({"static": {"value": "1"}}, "ValidationException", "both static and to be searched"),
    (
        {"HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "other"}},
        "ValidationException",
        "A metric is required for this hyperparameter tuning job objective",
    ),
    (
        {"TuningJobCompletionCriteria": {"ConvergenceDetected": {"CompleteOnConvergence": "Enabled"}}},
        "LocalLimit",
        "detects convergence",
    ),
    ({"ranges": {"AutoParameters": [{"Name": "value", "ValueHint": "1"}]}}, "LocalLimit", "Autotune"),
]


@pytest.mark.parametrize("members, code, words", REFUSED, ids=[words for _, _, words in REFUSED])
def test_what_cannot_be_is_refused_before_anything_runs(tuner, members, code, words):
    request = tuner.request("refused", **{"ranges": ONE, **members})
    with pytest.raises(ClientError, match=words) as refusal:
        tuner.sagemaker.create_hyper_parameter_tuning_job(**request)
    assert refusal.value.response["Error"]["Code"] == code


def test_what_a_training_job_would_be_refused_for_refuses_the_tuning_job(tuner):
    request = tuner.request("refused", ONE)
    request["TrainingJobDefinition"]["InputDataConfig"] = [channel("code", "s3://course/nowhere/")]
    with pytest.raises(ClientError, match="No S3 objects found under S3 URL"):
        tuner.sagemaker.create_hyper_parameter_tuning_job(**request)


@pytest.mark.slow
def test_xgboost_is_tuned_by_its_own_metric(tuner, table):  # noqa: F811
    tuner.put("csv/train/a.csv", text(table[:800]))
    tuner.put("csv/validation/c.csv", text(table[1000:]))
    ranges = {
        **number("eta", "0.01", "0.99"),
        "IntegerParameterRanges": [{"Name": "max_depth", "MinValue": "1", "MaxValue": "4"}],
    }
    goal = {"Type": "Maximize", "MetricName": "validation:auc"}
    request = tuner.request("xgb", ranges, "Bayesian", most=3, HyperParameterTuningJobObjective=goal, RandomSeed=1)
    request["TrainingJobDefinition"] |= {
        "AlgorithmSpecification": {"TrainingImage": XGBOOST, "TrainingInputMode": "File"},
        "StaticHyperParameters": {"num_round": "10", "objective": "binary:logistic", "nthread": "1"},
        "InputDataConfig": csv_channels(),
    }
    unknown = {"Type": "Maximize", "MetricName": "train:auc"}
    config = {**request["HyperParameterTuningJobConfig"], "HyperParameterTuningJobObjective": unknown}
    with pytest.raises(ClientError, match=r"train:auc is not one .* Choose one of: \[validation:"):
        tuner.sagemaker.create_hyper_parameter_tuning_job(**{**request, "HyperParameterTuningJobConfig": config})
    tuner.sagemaker.create_hyper_parameter_tuning_job(**request)
    job = tuner.rest("xgb")
    assert job["HyperParameterTuningJobStatus"] == "Completed", job.get("FailureReason")
    scores = [each["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] for each in tuner.jobs("xgb")]
    best = job["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]
    assert best == {**goal, "Value": max(scores)} and len(set(scores)) > 1


@pytest.mark.slow
def test_the_tuner_of_the_sdk_tunes_a_script(course, tmp_path):
    from sagemaker.core.parameter import CategoricalParameter, ContinuousParameter
    from sagemaker.core.training.configs import Compute, SourceCode
    from sagemaker.train import ModelTrainer
    from sagemaker.train.tuner import HyperparameterTuner

    (tmp_path / "train.py").write_text(SCRIPT)
    trainer = ModelTrainer(
        training_image=SKLEARN,
        source_code=SourceCode(source_dir=str(tmp_path), entry_script="train.py"),
        compute=Compute(instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=5),
        hyperparameters={"count": 3},
        role=course.role,
        tags=course.sdk_tags,
    )
    tuner = HyperparameterTuner(
        trainer,
        objective_metric_name="score",
        hyperparameter_ranges={"value": ContinuousParameter(0, 1), "kind": CategoricalParameter(["plain", "other"])},
        metric_definitions=METRICS,
        strategy="Random",
        max_jobs=2,
        max_parallel_jobs=2,
    )
    tuner.tune(wait=True)
    found = tuner.analytics().dataframe()
    assert list(found.TrainingJobStatus) == ["Completed"] * 2
    assert list(found.FinalObjectiveValue) == pytest.approx(list(3 + found["value"]))
    assert tuner.best_training_job() == found.loc[found.FinalObjectiveValue.idxmax(), "TrainingJobName"]

"""XGBoost without a script: what it is asked is checked as by AWS's image, and the model is XGBoost's own."""

import io
import re
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import numpy
import pytest
import xgboost

from helpers.local_account.runners import start
from test_training import REGISTRY, Region, channel

# On its machine, the algorithm is a program with its files beside it. They come last, to hide no file of the tests.
sys.path.append(str(Path(start.__file__).parent))

import xgboost_data
from xgboost_hyperparameters import UserError, validated

XGBOOST = f"{REGISTRY}/sagemaker-xgboost:3.2-0"
SETTINGS = {"num_round": "10", "objective": "binary:logistic", "eval_metric": "auc", "seed": "1", "nthread": "1"}


@pytest.fixture(scope="module")
def table():
    """A table with the label in the first column."""
    rng = numpy.random.default_rng(7)
    features = rng.normal(size=(1200, 4)).round(3)
    label = (features[:, 0] + features[:, 1] * features[:, 2] + rng.normal(size=1200) / 2 > 0).astype(int)
    return numpy.column_stack([label, features])


@pytest.fixture(scope="module")
def region(shared_account, table):
    region = Region(shared_account)
    region.put("csv/train/a.csv", text(table[:500]))
    region.put("csv/train/b.csv", text(table[500:1000]))
    region.put("csv/validation/c.csv", text(table[1000:]))
    return region


def text(rows, separator=","):
    """Write rows as CSV."""
    return "".join(separator.join(f"{value:g}" for value in row) + "\n" for row in rows).encode()


def csv_channels(**members):
    """The channels of the table in CSV."""
    train = channel("train", "s3://course/csv/train/", ContentType="text/csv", **members)
    return [train, channel("validation", "s3://course/csv/validation/", ContentType="text/csv")]


def train(region, name, channels=None, hosts=1, **settings):
    """Run the algorithm with settings added; None takes one away."""
    values = {key: value for key, value in {**SETTINGS, **settings}.items() if value is not None}
    return region.run(name, image=XGBOOST, hosts=hosts, channels=channels or csv_channels(), HyperParameters=values)


def model(region, name):
    """Load the model of a job."""
    with tarfile.open(fileobj=io.BytesIO(region.get(f"out/{name}/output/model.tar.gz"))) as tar:
        assert tar.getnames() == ["xgboost-model"]
        booster = xgboost.Booster()
        booster.load_model(bytearray(tar.extractfile("xgboost-model").read()))
        return booster


def metrics(job):
    """Return the final metrics of a job by name."""
    return {metric["MetricName"]: metric["Value"] for metric in job["FinalMetricDataList"]}


def test_the_model_is_the_one_that_xgboost_itself_makes(region, table):
    job = train(region, "alone")
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    rows = xgboost.DMatrix(table[:1000, 1:].astype("float32"), label=table[:1000, 0])
    unseen = xgboost.DMatrix(table[1000:, 1:].astype("float32"), label=table[1000:, 0])
    oracle = xgboost.train({"objective": "binary:logistic", "eval_metric": "auc", "seed": 1, "nthread": 1}, rows, 10)
    assert numpy.array_equal(model(region, "alone").predict(unseen), oracle.predict(unseen))
    score = float(oracle.eval(unseen).rpartition(":")[2])
    assert metrics(job)["validation:auc"] == pytest.approx(score, abs=6e-6)


def test_each_round_is_a_line_as_cloudwatch_shows_it(region):
    train(region, "rounds")
    lines = [line for line in region.lines("rounds") if "#011" in line]
    assert [line.partition("#011")[0] for line in lines] == [f"[{number}]" for number in range(10)]
    assert all(re.fullmatch(r"\[\d\]#011train-auc:0\.\d+#011validation-auc:0\.\d+", line) for line in lines)


@pytest.mark.slow
def test_hosts_train_one_model_on_their_shares(region, table):
    shared = csv_channels()
    shared[0]["DataSource"]["S3DataSource"]["S3DataDistributionType"] = "ShardedByS3Key"
    job = train(region, "together", shared, hosts=3)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert any("Train matrix has 500 rows" in line for line in region.lines("together", "algo-2"))
    assert any("Host algo-3 does not have data" in line for line in region.lines("together", "algo-3"))
    alone = metrics(train(region, "on-one"))["validation:auc"]
    assert metrics(job)["validation:auc"] == pytest.approx(alone, abs=0.01)


@pytest.mark.slow
def test_early_stopping_keeps_the_best_round_and_shows_those_that_were_not_better(region):
    job = train(region, "early", num_round="200", eval_metric="accuracy,auc", early_stopping_rounds="3", eta="1")
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    scores = [float(score) for score in re.findall(r"#011validation-auc:([\d.]+)", "\n".join(region.lines("early")))]
    assert len(scores) == scores.index(max(scores)) + 1 + 3
    assert model(region, "early").num_boosted_rounds() == scores.index(max(scores)) + 1
    assert set(metrics(job)) == {"validation:accuracy", "validation:auc"}


@pytest.mark.slow
def test_checkpoints_let_a_later_job_go_on(region):
    where = {"S3Uri": "s3://course/rounds"}
    for name, rounds in (("half", "4"), ("whole", "10")):
        settings = {**SETTINGS, "num_round": rounds}
        region.run(name, image=XGBOOST, channels=csv_channels(), HyperParameters=settings, CheckpointConfig=where)
    first = next(line for line in region.lines("whole") if "#011" in line)
    assert first.startswith("[4]#011") and model(region, "whole").num_boosted_rounds() == 10
    assert region.keys("rounds/")[-1] == "rounds/xgboost-checkpoint.9"


def libsvm(rows):
    """Write rows as LIBSVM."""
    lines = ([f"{row[0]:g}", *(f"{n}:{value:g}" for n, value in enumerate(row[1:]))] for row in rows)
    return "\n".join(map(" ".join, lines)).encode()


def parquet(rows):
    """Write rows as Parquet."""
    import pandas

    data = io.BytesIO()
    pandas.DataFrame(rows, columns=list("labcd")).to_parquet(data)
    return data.getvalue()


@pytest.mark.parametrize(
    ("content_type", "write"),
    [
        ("text/csv", text),
        ("csv", lambda rows: text(rows, ";")),
        ("text/csv; label_size=1", lambda rows: text(rows, "\t")),
        (None, libsvm),
        ("text/libsvm", libsvm),
        ("application/x-parquet", parquet),
    ],
)
def test_every_form_of_data_is_the_same_table(tmp_path, table, content_type, write):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/data").write_bytes(write(table[:600]))
    (tmp_path / "more").write_bytes(write(table[600:]))
    (tmp_path / ".hidden").write_text("no data")
    data = xgboost_data.matrix(tmp_path, xgboost_data.kind_of(content_type))
    assert data.get_label() == pytest.approx(table[:, 0])
    assert data.get_data().toarray() == pytest.approx(table[:, 1:])


def test_weights_stand_behind_the_label(tmp_path, table):
    (tmp_path / "data.csv").write_bytes(text(numpy.insert(table, 1, 2.5, axis=1)))
    data = xgboost_data.matrix(tmp_path, "csv", csv_weights=1)
    assert set(data.get_weight()) == {2.5} and data.num_col() == 4


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"num_round": None}, "Missing required hyperparameter: num_round"),
        ({"trees": "5"}, "Extraneous hyperparameter found: trees"),
        ({"num_round": "many"}, "Hyperparameter num_round: could not parse value"),
        ({"eta": "1.5"}, "Hyperparameter eta: 1.5 is not in [0, 1]"),
        ({"subsample": "0"}, "Hyperparameter subsample: 0.0 is not in (0, 1]"),
        ({"objective": "binary:guess"}, "Hyperparameter objective: binary:guess is not in ["),
        ({"eval_metric": "auc,luck"}, "Hyperparameter eval_metric: ['auc', 'luck'] is not in ["),
        ({"eval_metric": "rmse@2"}, "Metric 'rmse@2' is not supported"),
        ({"monotone_constraints": "(1, 2)"}, "Hyperparameter monotone_constraints: (1, 2) is not in [-1, 0, 1]"),
        ({"objective": "multi:softmax"}, "Require input for parameter 'num_class' for multi-classification"),
        ({"num_class": "3"}, "Do not need to setup parameter 'num_class'"),
        (
            {"objective": "reg:squarederror"},
            "Metric 'auc' can only be applied for classification and ranking problems.",
        ),
        ({"_kfold": "5"}, "Hyperparameter _kfold: it is not available on this machine"),
    ],
)
def test_a_hyperparameter_that_cannot_be_is_named(settings, words):
    values = {key: value for key, value in {**SETTINGS, **settings}.items() if value is not None}
    with pytest.raises(UserError, match=re.escape(words)):
        validated(values)


@pytest.mark.parametrize(
    ("data", "content_type", "words"),
    [
        ("label,a,b\n1,2,3\n", "text/csv", "could not convert string to float: 'label'"),
        ("1,2,3\n1,2\n1,2,3,4\n", "text/csv", "Failed to load csv data with exception"),
        ("word\n", "text/csv", "Could not determine delimiter on line word"),
        ("1,2,3\n", "text/libsvm", "Failed to load libsvm data with exception"),
        ("1,2,3\n", "application/x-parquet", "Failed to load parquet data with exception"),
        ("x", "application/x-recordio-protobuf", "cannot be read on this machine"),
        ("x", "image/png", "image/png is not an accepted ContentType: csv, text/csv, libsvm"),
        ("1,2\n", "text/csv; label_size=2", "Optional parameter label_size must be equal to 1"),
    ],
)
def test_data_that_cannot_be_read_is_named(tmp_path, data, content_type, words):
    (tmp_path / "data").write_text(data)
    with pytest.raises(UserError, match=re.escape(words)):
        xgboost_data.matrix(tmp_path, xgboost_data.kind_of(content_type))


@pytest.mark.parametrize(
    ("case", "data", "settings", "words"),
    [
        ("no-such-thing", "1,2,3\n", {"trees": "5"}, "UserError: Extraneous hyperparameter found: trees"),
        ("no-label", "2,1,2\n0,1,3\n0,1,4\n0,1,5\n", {}, "label must be in (0, 1) for logistic regression"),
        ("no-data", "", {}, "No data in training channel path /opt/ml/input/data/train"),
    ],
)
def test_a_fault_of_the_learner_is_the_reason_that_the_job_gives(region, case, data, settings, words):
    region.put(f"{case}/data", data)
    job = train(region, case, [channel("train", f"s3://course/{case}/", ContentType="text/csv")], **settings)
    assert job["FailureReason"].startswith("AlgorithmError: framework error: \nTraceback (most recent call last):\n")
    assert words in job["FailureReason"] and job["FailureReason"].endswith(", exit code: 1")


def test_only_its_own_channels_are_taken(region):
    (_, validation) = csv_channels()
    assert "Missing required channel: train" in train(region, "no-train", [validation])["FailureReason"]
    other = channel("test", "s3://course/csv/train/", ContentType="text/csv")
    assert "Extraneous channel found: test" in train(region, "other", [*csv_channels(), other])["FailureReason"]


def test_a_stopped_training_keeps_its_trees_if_it_was_asked_to(region):
    settings = {**SETTINGS, "num_round": "1000000", "save_model_on_termination": "true"}
    region.create("endless", image=XGBOOST, channels=csv_channels(), HyperParameters=settings)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            if any(line.startswith("[20]") for line in region.lines("endless")):
                break
        except Exception:  # no stream yet
            pass
        time.sleep(0.05)
    region.sagemaker.stop_training_job(TrainingJobName="endless")
    assert region.wait("endless")["TrainingJobStatus"] == "Stopped"
    assert model(region, "endless").num_boosted_rounds() > 20


@pytest.mark.slow
def test_a_script_takes_the_place_of_the_algorithm(region):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as tar:
        program = b"import os, xgboost\nprint('mine', xgboost.__version__, os.environ['SM_HP_DEPTH'])\n"
        member = tarfile.TarInfo("train.py")
        member.size = len(program)
        tar.addfile(member, io.BytesIO(program))
    region.put("own/sourcedir.tar.gz", data.getvalue())
    settings = {
        "sagemaker_program": "train.py",
        "sagemaker_submit_directory": "s3://course/own/sourcedir.tar.gz",
        "depth": "3",
    }
    region.run("own", image=XGBOOST, channels=csv_channels(), HyperParameters=settings)
    assert f"mine {xgboost.__version__} 3" in region.lines("own")


@pytest.mark.slow
def test_the_algorithm_starts_without_scikit_learn_and_can_have_it_later():
    code = "import sys, xgboost_algorithm; print('sklearn' in sys.modules); import sklearn.metrics; print('later')"
    folder = Path(start.__file__).parent
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["False", "later"], done.stderr

"""The programs of the course's jobs run by hand, in plain folders, as they run on SageMaker."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import numpy
import pandas
import pytest
import xgboost
from sagemaker_inference.transformer import Transformer
from sklearn.metrics import roc_auc_score

from helpers import flights
from things import endpoint

JOBS = Path(__file__).parents[1] / "notebooks" / "jobs"
TUNED = [word for name, value in flights.TUNED.items() for word in (f"--{name}", str(value))]
FLIGHT = {"date": "2013-08-01", "sched_dep_time": 1705, "carrier": "UA", "origin": "EWR", "dest": "SFO", "temp": 80.1}


def program(name):
    spec = importlib.util.spec_from_file_location(name, JOBS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def train(monkeypatch):
    """Run the training program in this process with these SM_ variables and no others."""

    def run(*arguments, **variables):
        for name in [name for name in os.environ if name.startswith("SM_")]:
            monkeypatch.delenv(name)
        for name, value in variables.items():
            monkeypatch.setenv(name, str(value))
        program("train_flights").main(arguments)

    return run


def booster(folder):
    model = xgboost.Booster({"nthread": 1})
    model.load_model(bytearray((folder / "xgboost-model").read_bytes()))
    return model


@pytest.fixture(scope="module")
def channels(tmp_path_factory):
    folder = tmp_path_factory.mktemp("channels")
    flights.write_channels(folder)
    return {"SM_CHANNEL_TRAIN": folder / "train", "SM_CHANNEL_VALIDATION": folder / "validation"}


@pytest.fixture(scope="module")
def trained(channels, tmp_path_factory):
    """The model folder and the log of one tuned training, in a process of its own as in a job."""
    folder = tmp_path_factory.mktemp("model")
    variables = {**os.environ, **{name: str(path) for name, path in channels.items()}, "SM_MODEL_DIR": str(folder)}
    command = [sys.executable, JOBS / "train_flights.py", *TUNED]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout + done.stderr


@pytest.fixture(scope="module")
def august():
    return flights.with_weather(flights.months(flights.TEST))


# process_flights.py


@pytest.fixture(scope="module")
def process():
    return program("process_flights")


@pytest.fixture(scope="module")
def weather(tmp_path_factory):
    """The input with the weather, which every machine gets."""
    folder = tmp_path_factory.mktemp("weather")
    shutil.copy(flights.FOLDER / "weather.csv.gz", folder)
    return folder


@pytest.fixture(scope="module")
def joined(process, weather, tmp_path_factory):
    """Seven months, joined by two machines that share them."""
    folder, months = tmp_path_factory.mktemp("joined"), [*flights.TRAIN, *flights.VALIDATION]
    for number in range(2):
        shard = tmp_path_factory.mktemp("shard")
        for month in months[number::2]:
            shutil.copy(flights.FOLDER / "flights" / f"{month}.csv.gz", shard)
        process.main(["join", "--flights", str(shard), "--weather", str(weather), "--joined", str(folder)])
    return folder


def test_two_machines_make_the_tables_that_the_course_makes(process, joined, channels, tmp_path, capsys):
    command = ["tables", "--joined", str(joined)]
    process.main([*command, "--train", str(tmp_path / "train"), "--validation", str(tmp_path / "validation")])
    assert capsys.readouterr().out == (
        "train: 55387 flights, 28.0% not on time\nvalidation: 9808 flights, 34.9% not on time\n"
    )
    for variable, folder in channels.items():
        made = tmp_path / variable.rpartition("_")[2].lower()
        assert sorted(file.name for file in made.iterdir()) == sorted(file.name for file in folder.iterdir())
        assert all((made / file.name).read_bytes() == file.read_bytes() for file in folder.iterdir())


def test_a_month_is_joined_as_the_course_joins_it(joined):
    pandas.testing.assert_frame_equal(
        pandas.read_csv(joined / "2013-03.csv"), flights.with_weather(flights.month("2013-03"))
    )


def test_a_machine_without_weather_says_who_it_is(process, weather, tmp_path, monkeypatch, capsys):
    (tmp_path / "output").mkdir()
    (tmp_path / "machines.json").write_text('{"current_host": "algo-2", "hosts": ["algo-1", "algo-2"]}')
    monkeypatch.setattr(process, "MACHINES", tmp_path / "machines.json")
    monkeypatch.setattr(process, "MESSAGE", tmp_path / "output" / "message")
    with pytest.raises(SystemExit) as end:
        process.main(["join", "--flights", str(flights.FOLDER / "flights"), "--weather", str(tmp_path / "none")])
    assert end.value.code.startswith("No CSV file in the input 'weather' of algo-2: ")
    assert (tmp_path / "output" / "message").read_text() == end.value.code


def test_the_encoder_is_not_fitted_on_several_machines(process, joined, tmp_path, monkeypatch):
    (tmp_path / "machines.json").write_text('{"current_host": "algo-1", "hosts": ["algo-1", "algo-2"]}')
    monkeypatch.setattr(process, "MACHINES", tmp_path / "machines.json")
    with pytest.raises(SystemExit, match="needs one machine, not 2"):
        process.main(["tables", "--joined", str(joined), "--train", str(tmp_path / "train")])
    assert not (tmp_path / "train").exists()


def test_a_month_that_was_not_joined_is_named(process, joined, tmp_path):
    shutil.copy(joined / "2013-01.csv", tmp_path)
    with pytest.raises(SystemExit, match="lacks 2013-02, 2013-03, 2013-04, 2013-05, 2013-06: "):
        process.main(["tables", "--joined", str(tmp_path)])


def test_two_reports_for_one_hour_are_no_weather(process, weather):
    reports = pandas.read_csv(weather / "weather.csv.gz", parse_dates=["time_hour"])
    with pytest.raises(pandas.errors.MergeError):
        process.with_weather(flights.month("2013-01"), pandas.concat([reports, reports]))


# train_flights.py


def test_training_leaves_the_model_and_its_encoder(trained, channels):
    folder, _ = trained
    assert sorted(path.name for path in folder.iterdir()) == ["encoder.json", "xgboost-model"]
    assert (folder / "encoder.json").read_text() == (channels["SM_CHANNEL_TRAIN"] / "encoder.json").read_text()


def test_the_model_reaches_711_on_august(trained, august):
    folder, _ = trained
    encoder = json.loads((folder / "encoder.json").read_text())
    chances = booster(folder).predict(
        xgboost.DMatrix(flights.features(august, encoder).to_numpy(dtype="float32"), nthread=1)
    )
    assert roc_auc_score(flights.not_on_time(august), chances) == pytest.approx(0.711, abs=0.01)


def test_the_log_has_a_line_for_every_25_rounds_and_the_last(trained):
    _, log = trained
    lines = re.findall(r"^\[(\d+)\] train-auc:([0-9.]+) validation-auc:([0-9.]+)$", log, re.MULTILINE)
    assert [int(round) for round, _, _ in lines] == [0, 25, 50, 75, 100, 125, 149]
    assert float(lines[-1][2]) == pytest.approx(0.749, abs=0.01)


def test_a_sound_training_warns_of_nothing(trained):
    _, log = trained
    assert "arning" not in log


def test_hyperparameters_change_the_model(train, channels, tmp_path):
    train("--num_round", "1", "--max_depth", "1", **channels, SM_MODEL_DIR=tmp_path)
    trees = booster(tmp_path).get_dump()
    assert len(trees) == 1 and trees[0].count("leaf") == 2


def test_a_hyperparameter_that_does_not_exist_is_refused(train, channels, tmp_path, capsys):
    with pytest.raises(SystemExit):
        train("--max_dept", "5", **channels, SM_MODEL_DIR=tmp_path)
    assert "unrecognized arguments: --max_dept" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_tuning_jobs_own_hyperparameter_is_understood(train, channels, tmp_path):
    train("--_tuning_objective_metric", "validation:auc", "--num_round", "1", **channels, SM_MODEL_DIR=tmp_path)
    assert booster(tmp_path).num_boosted_rounds() == 1


@pytest.mark.parametrize("name", ["train", "validation"])
def test_a_missing_channel_is_named(train, channels, tmp_path, name):
    others = {variable: folder for variable, folder in channels.items() if variable != f"SM_CHANNEL_{name.upper()}"}
    with pytest.raises(SystemExit, match=f"No channel '{name}'"):
        train("--num_round", "1", **others, SM_MODEL_DIR=tmp_path)


def test_a_channel_without_csv_is_named(train, channels, tmp_path):
    channels = channels | {"SM_CHANNEL_VALIDATION": tmp_path}
    with pytest.raises(SystemExit, match="No CSV file in the channel 'validation'"):
        train("--num_round", "1", **channels, SM_MODEL_DIR=tmp_path / "model")


@pytest.mark.slow
def test_a_failing_program_says_why_and_exits_with_1(channels, tmp_path):
    (tmp_path / "train.csv").write_text("not_on_time,carrier\n1,3\n0,4\n")
    command = [sys.executable, JOBS / "train_flights.py", "--train", tmp_path]
    command += ["--validation", channels["SM_CHANNEL_VALIDATION"], "--model-dir", tmp_path / "model"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and not (tmp_path / "model").exists()
    assert done.stderr.splitlines()[-1] == "ValueError: could not convert string to float: 'not_on_time'"


def test_several_files_of_a_channel_are_one_table(train, channels, tmp_path, capsys):
    lines = (channels["SM_CHANNEL_TRAIN"] / "train.csv").read_text().splitlines(keepends=True)
    (tmp_path / "2013-01").mkdir()
    (tmp_path / "2013-01" / "part.csv").write_text("".join(lines[:1000]))
    (tmp_path / "rest.csv").write_text("".join(lines[1000:1500]))
    train("--num_round", "1", **channels | {"SM_CHANNEL_TRAIN": tmp_path}, SM_MODEL_DIR=tmp_path / "model")
    log = capsys.readouterr().out
    assert "1500 flights to learn from, 9808 to validate on" in log
    assert "brought no encoder.json" in log


def test_a_job_of_several_machines_is_refused(train, channels, tmp_path):
    with pytest.raises(SystemExit, match="the job has 2"):
        train(**channels, SM_MODEL_DIR=tmp_path, SM_HOSTS='["algo-1", "algo-2"]')


# serve_flights.py


@pytest.fixture(scope="module")
def serve():
    return program("serve_flights")


@pytest.fixture(scope="module")
def model(serve, trained):
    folder, _ = trained
    return serve.model_fn(folder)


def answer(serve, model, request):
    body = request if isinstance(request, str) else json.dumps(request)
    return json.loads(
        serve.output_fn(serve.predict_fn(serve.input_fn(body, "application/json"), model), "application/json")
    )["not_on_time"]


def request_of(table):
    """Rows of a table as the flights of a request: the raw columns, as JSON writes them."""
    dates = pandas.to_datetime(table[["year", "month", "day"]]).dt.strftime("%Y-%m-%d")
    fields = ["date", "sched_dep_time", "carrier", "origin", "dest", "distance", *flights.WEATHER]
    return json.loads(table.assign(date=dates)[fields].to_json(orient="records"))


@pytest.mark.parametrize("month", ["2013-02", "2013-11"])
def test_the_server_computes_the_features_that_training_computed(serve, model, month):
    table = flights.with_weather(flights.month(month))  # February has the impossible wind, November new codes
    _, encoder = model
    sent = serve.input_fn(json.dumps(request_of(table)), "application/json")
    rows = numpy.array([serve.row(flight, encoder) for flight in sent], dtype=float)
    numpy.testing.assert_array_equal(rows, flights.features(table, encoder).to_numpy(dtype=float))
    assert serve.FEATURES == flights.FEATURES


def test_the_server_answers_what_the_model_says(serve, model, august):
    trees, encoder = model
    some = august.sample(20, random_state=1)
    x = flights.features(some, encoder).to_numpy(dtype="float32")
    assert answer(serve, model, request_of(some)) == pytest.approx(trees.predict(xgboost.DMatrix(x)), abs=1e-4)


def test_one_flight_and_a_list_of_flights_are_both_answered(serve, model):
    (one,) = answer(serve, model, FLIGHT)
    assert 0 < one < 1
    assert answer(serve, model, [FLIGHT, FLIGHT]) == [one, one]


def test_weather_that_is_not_sent_is_missing(serve, model):
    _, encoder = model
    (flight,) = serve.input_fn(json.dumps(FLIGHT), "application/json")
    row = dict(zip(encoder["features"], serve.row(flight, encoder), strict=True))
    assert row["temp"] == 80.1 and numpy.isnan(row["visib"])
    assert answer(serve, model, FLIGHT | {"visib": None}) == answer(serve, model, FLIGHT)


def test_the_distance_of_a_known_route_need_not_be_sent(serve, model):
    assert answer(serve, model, FLIGHT) == answer(serve, model, FLIGHT | {"distance": 2565})


def test_an_unknown_destination_is_minus_one_and_is_answered(serve, model):
    _, encoder = model
    row = dict(zip(encoder["features"], serve.row(FLIGHT | {"dest": "ILM"}, encoder), strict=True))
    assert row["dest"] == -1 and numpy.isnan(row["distance"])
    assert len(answer(serve, model, FLIGHT | {"dest": "ILM"})) == 1


WRONG = {
    "no JSON": ("{", "not JSON"),
    "no flight": ([], "no flight"),
    "a number instead of a flight": ([3], "Flight 1 must be an object"),
    "a field is missing": ({"date": "2013-08-01"}, "must have the field 'sched_dep_time'"),
    "a field is unknown": (FLIGHT | {"temperature": 20}, "'temperature'"),
    "a field is an outcome": (FLIGHT | {"dep_delay": 20}, "'dep_delay'"),
    "a code is a number": (FLIGHT | {"carrier": 1}, "'carrier' must be a code"),
    "weather is a word": (FLIGHT | {"temp": "hot"}, "'temp' must be a number or null"),
    "weather is true": (FLIGHT | {"precip": True}, "'precip' must be a number or null"),
    "61 minutes": (FLIGHT | {"sched_dep_time": 1761}, "'sched_dep_time' must be HHMM"),
    "a time in words": (FLIGHT | {"sched_dep_time": "17:05"}, "'sched_dep_time' must be HHMM"),
    "the 32nd": (FLIGHT | {"date": "2013-08-32"}, "'date' must be a day"),
    "the second of two": ([FLIGHT, FLIGHT | {"date": 1}], "Flight 2: 'date'"),
}


@pytest.mark.parametrize(("request_", "words"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_request_is_the_callers_fault(serve, request_, words):
    body = request_ if isinstance(request_, str) else json.dumps(request_)
    with pytest.raises(serve.Refused) as refusal:
        serve.input_fn(body, "application/json")
    assert refusal.value.status_code == 400
    assert words in refusal.value.message


def test_other_content_types_are_refused(serve):
    with pytest.raises(serve.Refused) as refusal:
        serve.input_fn("1,2,3", "text/csv")
    assert refusal.value.status_code == 415
    with pytest.raises(serve.Refused) as refusal:
        serve.output_fn([0.5], "text/csv")
    assert refusal.value.status_code == 406


def test_a_model_without_its_encoder_does_not_start(serve, trained, tmp_path):
    folder, _ = trained
    (tmp_path / "xgboost-model").write_bytes((folder / "xgboost-model").read_bytes())
    with pytest.raises(FileNotFoundError, match=r"encoder\.json"):
        serve.model_fn(tmp_path)


def test_a_model_that_learned_from_an_outcome_does_not_start(serve, trained, tmp_path):
    folder, _ = trained
    (tmp_path / "xgboost-model").write_bytes((folder / "xgboost-model").read_bytes())
    encoder = json.loads((folder / "encoder.json").read_text())
    (tmp_path / "encoder.json").write_text(json.dumps({**encoder, "features": [*encoder["features"], "dep_delay"]}))
    with pytest.raises(ValueError, match="dep_delay"):
        serve.model_fn(tmp_path)


class Context:
    """What the inference toolkit asks of a model server about one request."""

    def __init__(self, folder):
        self.system_properties = {"model_dir": str(folder)}
        self.request_processor = [self]
        self.status = 200

    def get_request_properties(self):
        return {"Content-Type": "application/json", "Accept": "*/*"}

    def set_response_status(self, code, phrase):
        self.status = code

    def set_response_content_type(self, number, content_type):
        self.content_type = content_type


def test_the_inference_toolkit_answers_with_200_and_400(trained, monkeypatch):
    folder, _ = trained
    monkeypatch.syspath_prepend(JOBS)
    monkeypatch.setenv("SAGEMAKER_PROGRAM", "serve_flights.py")
    toolkit, good, bad = Transformer(), Context(folder), Context(folder)
    (body,) = toolkit.transform([{"body": json.dumps(FLIGHT).encode()}], good)
    assert good.status == 200 and len(json.loads(body)["not_on_time"]) == 1
    (body,) = toolkit.transform([{"body": b"{}"}], bad)
    assert bad.status == 400 and "Flight 1 must have the field 'date'" in body


@pytest.mark.slow
def test_what_is_over_is_ended_and_nothing_else(course, account, capsys):
    stop, sagemaker, now = program("stop_what_is_over"), boto3.client("sagemaker"), datetime.now(UTC)
    for name in ("me-over", "me-wanted", "me-untold", "me-lent"):
        endpoint(course, account, name)
    instance = {"NotebookInstanceName": "me-lab", "InstanceType": "ml.t3.medium", "RoleArn": course.role}
    arn = sagemaker.create_notebook_instance(**instance, Tags=course.tags)["NotebookInstanceArn"]
    sagemaker.get_waiter("notebook_instance_in_service").wait(NotebookInstanceName="me-lab")
    of_endpoint = arn.rpartition(":")[0] + ":endpoint/{}"
    over, wanted, lent = map(of_endpoint.format, ("me-over", "me-wanted", "me-lent"))
    for thing, hours in ((over, -1), (wanted, 1), (lent, -1), (arn, -1)):
        until = (now + timedelta(hours=hours)).isoformat(timespec="minutes")
        sagemaker.add_tags(ResourceArn=thing, Tags=[{"Key": "until", "Value": until}])
    sagemaker.add_tags(ResourceArn=lent, Tags=[{"Key": "learner", "Value": "you"}])
    tags = {tag["Key"]: tag["Value"] for tag in course.tags}
    stop.main(tags)
    assert capsys.readouterr().out == "endpoint me-over: deleted\nnotebook instance me-lab: stopped\n"
    sagemaker.get_waiter("endpoint_deleted").wait(EndpointName="me-over")
    sagemaker.get_waiter("notebook_instance_stopped").wait(NotebookInstanceName="me-lab")
    stop.main(tags)
    assert capsys.readouterr().out == "Nothing is over.\n"
    stop.main(tags, now + timedelta(hours=2))
    assert capsys.readouterr().out == "endpoint me-wanted: deleted\n"
    assert sagemaker.describe_endpoint(EndpointName="me-lent")["EndpointStatus"] == "InService"
    for nobodys in ({}, {"learner": ""}):  # the second is "learner" without "=me"
        with pytest.raises(SystemExit, match="Whose things"):
            stop.main(nobodys)


# serve_list.py


@pytest.fixture
def lists(monkeypatch):
    monkeypatch.syspath_prepend(str(JOBS))
    yield program("serve_list")
    sys.modules.pop("serve_flights", None)


def lines_of(lists, table):
    """Rows of a table as the chapter sends them: no header, the values in the handler's order."""
    dates = pandas.to_datetime(table[["year", "month", "day"]]).dt.strftime("%Y-%m-%d")
    return table.assign(date=dates)[lists.COLUMNS].to_csv(index=False, header=False)


def test_a_list_gets_the_chances_that_json_gets(lists, model, august):
    some = august.sample(20, random_state=1)
    chances = lists.predict_fn(lists.input_fn(lines_of(lists, some).encode(), "text/csv"), model)
    asked = lists.input_fn(
        json.dumps(request_of(some.drop(columns="distance").assign(distance=None))), "application/json"
    )
    assert chances == pytest.approx(lists.predict_fn(asked, model))
    assert lists.output_fn(chances, "text/csv").splitlines() == [f"{chance:.4f}" for chance in chances]
    assert len(json.loads(lists.output_fn(chances, "application/json"))["not_on_time"]) == 20


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("date,sched_dep_time,carrier,origin,dest,temp,dewp,humid,wind_dir,wind_speed,wind_gust,precip,pressure,visib",
         "Flight 1: 'temp' must be a number or null, not 'temp'"),
        ("2013-09-01,1705,UA,EWR,SFO", "Flight 1 must have 14 values"),
        ("2013-09-01,17:05,UA,EWR,SFO,,,,,,,,,", "'sched_dep_time' must be HHMM"),
        ("2013-09-01,1705,,EWR,SFO,,,,,,,,,", "'carrier' must be a code"),
    ],
)  # fmt: skip
def test_a_line_that_is_wrong_is_refused_by_its_number(lists, line, words):
    with pytest.raises(lists.Refused) as refusal:
        lists.input_fn(line, "text/csv")
    assert words in str(refusal.value)

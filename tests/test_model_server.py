"""The web server in an endpoint's container, by itself: what it answers and refuses, and when it does not start."""

import json
import os
import subprocess
import sys
import time
from http.client import HTTPConnection
from io import BytesIO
from pathlib import Path

import numpy
import pytest

from endpoints import SCRIPT, booster
from helpers.local_account.runners import model_server

PROGRAM = model_server.__file__


class Server:
    """A model server over a folder of files, started as an instance starts it."""

    def __init__(self, folder, files, framework="scikit-learn", **environment):
        for name, content in files.items():
            path = folder / "model" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content) if isinstance(content, bytes) else path.write_text(content)
        self.port, self.output = folder / "port", folder / "output"
        variables = {"SAGEMAKER_BASE_DIR": str(folder), "PYTHONUNBUFFERED": "1", **environment}
        if "SAGEMAKER_SUBMIT_DIRECTORY" in variables:
            variables["SAGEMAKER_SUBMIT_DIRECTORY"] = str(folder / "model/code")
        self.process = subprocess.Popen(
            [sys.executable, PROGRAM, framework, str(self.port)],
            env={**os.environ, **variables},
            stdout=self.output.open("wb"),
            stderr=subprocess.STDOUT,
        )
        end = time.monotonic() + 60
        while not self.port.exists() and self.process.poll() is None:
            assert time.monotonic() < end
            time.sleep(0.01)

    def ask(self, body, path="/invocations", **headers):
        """Return (status, content type, body) of the answer."""
        connection = HTTPConnection("127.0.0.1", int(self.port.read_text()), timeout=30)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET" if body is None else "POST", path, body, headers)
        answer = connection.getresponse()
        self.headers = answer.headers
        return answer.status, answer.headers["content-type"], answer.read()

    def said(self):
        """Return what the server has printed, once it has ended if it does not serve."""
        if not self.port.exists():
            self.process.wait(30)
        return self.output.read_text()

    def end(self):
        """End the server."""
        self.process.kill()
        self.process.wait()


@pytest.fixture
def serve(tmp_path):
    """Start servers that end with the test; a script is given as the text of serve.py."""
    servers = []

    def start(script, framework="scikit-learn", files=None, **environment):
        folder = tmp_path / str(len(servers))
        folder.mkdir()
        files = {**({"code/serve.py": script} if script else {}), **(files or {})}
        servers.append(Server(folder, files, framework, **(SCRIPT if script else {}), **environment))
        return servers[-1]

    yield start
    for server in servers:
        server.end()


@pytest.fixture(scope="module")
def algorithm(tmp_path_factory):
    """XGBoost's own server over a model of four features."""
    server = Server(
        tmp_path_factory.mktemp("algorithm"), {"xgboost-model": bytes(booster().save_raw("ubj"))}, framework="xgboost"
    )
    yield server
    server.end()


ROWS = "0.1,0.2,0.3,0.4\n0.9,0.1,0.2,0.3\n"


def test_ping_says_that_the_model_is_loaded(algorithm):
    assert algorithm.ask(None, "/ping")[0] == 200


def test_xgboost_answers_each_row_with_the_booster_s_own_prediction(algorithm):
    import xgboost

    status, kind, body = algorithm.ask(ROWS, Content_Type="text/csv")
    rows = numpy.array([[float(field) for field in row.split(",")] for row in ROWS.split()])
    expected = booster().predict(xgboost.DMatrix(rows))
    assert (status, kind) == (200, "text/csv")
    assert [float(line) for line in body.split()] == pytest.approx(expected.tolist())


def test_xgboost_answers_in_json_and_jsonlines(algorithm):
    scores = [float(line) for line in algorithm.ask(ROWS, Content_Type="text/csv")[2].split()]
    _, _, as_json = algorithm.ask(ROWS, Content_Type="text/csv", Accept="application/json")
    _, _, as_lines = algorithm.ask(ROWS, Content_Type="text/csv", Accept="application/jsonlines")
    assert [each["score"] for each in json.loads(as_json)["predictions"]] == scores
    assert [json.loads(line)["score"] for line in as_lines.splitlines()] == scores


@pytest.mark.parametrize("separator", ["\t", ";", " "])
def test_xgboost_finds_out_what_separates_the_columns(algorithm, separator):
    rows = ROWS.replace(",", separator)
    assert algorithm.ask(rows, Content_Type="text/csv") == algorithm.ask(ROWS, Content_Type="text/csv")


def test_xgboost_reads_libsvm_where_absent_features_are_missing(algorithm):
    sparse = algorithm.ask("1 0:0.1 2:0.3", Content_Type="text/libsvm")
    assert sparse == algorithm.ask("0.1,,0.3,", Content_Type="text/csv")
    assert sparse[0] == 200


@pytest.mark.parametrize(
    ("status", "body", "headers", "reason"),
    [
        (204, "", {"Content_Type": "text/csv"}, b""),
        (400, "1,2,3", {"Content_Type": "text/csv"}, b"data 3 is not consistent with feature size of trained model 4"),
        (400, "0:1 7:2", {"Content_Type": "text/libsvm"}, b"data 8 is not consistent"),
        (415, "a,b\n1,2", {"Content_Type": "text/csv"}, b"could not convert string to float: 'a'"),
        (415, "[1]", {"Content_Type": "application/json"}, b"application/json is not an accepted ContentType"),
        (415, "x", {"Content_Type": "application/x-recordio-protobuf"}, b"reads text/csv and text/libsvm"),
        (406, ROWS, {"Content_Type": "text/csv", "Accept": "text/html"}, b"Accept type text/html is not supported"),
        (406, ROWS, {"Content_Type": "text/csv", "Accept": "application/x-recordio-protobuf"}, b"the local account's"),
    ],
)
def test_xgboost_refuses(algorithm, status, body, headers, reason):
    answer = algorithm.ask(body, **headers)
    assert answer[0] == status
    assert reason in answer[2]


@pytest.mark.parametrize(
    ("objective", "answer"), [("multi:softmax", b"1.0\n"), ("multi:softprob", b"0."), ("reg:squarederror", b"0.9")]
)
def test_xgboost_s_answer_is_what_its_objective_predicts(serve, objective, answer):
    import xgboost

    rows = numpy.array([[0.0], [1.0]] * 50)
    parameters = {"objective": objective, "min_child_weight": 0} | ({"num_class": 2} if "multi" in objective else {})
    model = xgboost.train(parameters, xgboost.DMatrix(rows, rows[:, 0]), 10)
    server = serve(None, "xgboost", {"xgboost-model": bytes(model.save_raw("json"))})
    status, _, body = server.ask("1", Content_Type="text/csv")
    assert status == 200
    assert body.startswith(answer)
    assert body.count(b",") == (1 if objective == "multi:softprob" else 0)


def test_xgboost_does_not_start_without_a_model_that_it_can_read(serve):
    assert "cannot be loaded" in serve(None, "xgboost", {"xgboost-model": "no model"}).said()
    assert "There is no model" in serve(None, "xgboost", {"code/nothing.txt": ""}).said()


FOUR = """
import json

def model_fn(model_dir):
    return {"dir": model_dir, "loaded": open(model_dir + "/weights.txt").read()}

def input_fn(body, content_type):
    return {"body": body if isinstance(body, str) else body.decode(), "type": content_type}

def predict_fn(data, model):
    return {**data, **model}

def output_fn(prediction, accept):
    return json.dumps({**prediction, "accept": accept})
"""


def test_a_script_s_four_functions_are_called_in_turn(serve):
    server = serve(FOUR, files={"weights.txt": "7"})
    status, kind, body = server.ask("1,2", Content_Type="text/csv", Accept="text/plain")
    answer = json.loads(body)
    assert (status, kind) == (200, "text/plain")
    assert (answer["body"], answer["type"], answer["accept"], answer["loaded"]) == (
        "1,2",
        "text/csv",
        "text/plain",
        "7",
    )


def test_a_transform_fn_does_it_all_and_may_name_the_content_type(serve):
    script = (
        "def model_fn(model_dir): return 3\n"
        "def transform_fn(model, body, content_type, accept): return str(model) + body, 'text/x'"
    )
    assert serve(script).ask("4", Content_Type="text/csv") == (200, "text/x", b"34")


MEAN = "class Mean:\n    def predict(self, rows): return rows.mean(axis=1)\ndef model_fn(model_dir): return Mean()\n"


def test_where_a_script_has_no_function_the_image_s_default_reads_and_writes_arrays(serve):
    server = serve(MEAN)
    packed = BytesIO()
    numpy.save(packed, numpy.array([[1.0, 3.0], [5.0, 7.0]]))
    for body, kind in (
        ("1,3\n5,7", "text/csv"),
        ("[[1, 3], [5, 7]]", "application/json"),
        (packed.getvalue(), "application/x-npy"),
    ):
        assert server.ask(body, Content_Type=kind) == (200, "application/json", b"[2.0, 6.0]")
    assert server.ask("1,3\n5,7", Content_Type="text/csv", Accept="text/csv") == (200, "text/csv", b"2.0\n6.0\n")
    assert server.ask("1,3", Content_Type="text/xml")[0] == 415
    assert server.ask("[[1, 3]]", Content_Type="application/json", Accept="text/html")[0] == 406


def test_the_default_accept_is_the_variable_s(serve):
    server = serve(MEAN, SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT="text/csv")
    assert server.ask("[[1, 3]]", Content_Type="application/json", Accept="*/*") == (200, "text/csv", b"2.0\n")


@pytest.mark.slow
def test_a_script_on_the_xgboost_image_gets_a_matrix_of_xgboost(serve):
    script = (
        "import xgboost\n"
        "def model_fn(model_dir):\n    b = xgboost.Booster(); b.load_model(model_dir + '/xgboost-model'); return b\n"
        "def predict_fn(data, model):\n    assert isinstance(data, xgboost.DMatrix); return model.predict(data)\n"
    )
    server = serve(script, "xgboost", {"xgboost-model": bytes(booster().save_raw("ubj"))})
    status, _, body = server.ask(ROWS, Content_Type="text/csv", Accept="text/csv")
    assert status == 200
    assert len(body.split()) == 2


def test_what_a_script_raises_is_a_500_with_its_message_and_stands_in_the_log(serve):
    server = serve("def model_fn(d): return 1\ndef transform_fn(m, b, c, a): raise KeyError('carrier')")
    status, _, body = server.ask("1", Content_Type="text/csv")
    assert status == 500
    assert b"carrier" in body
    assert "KeyError: 'carrier'" in server.said()


def test_what_a_script_logs_is_shown_from_the_level_that_the_variable_names_on(serve):
    script = (
        "import logging\nlogging.debug('small')\nlogging.info('usual')\nlogging.error('grave')\n"
        "def model_fn(d): return 1\n"
    )
    assert "usual" in serve(script).said()
    quiet = serve(script, SAGEMAKER_CONTAINER_LOG_LEVEL="40").said()
    assert "grave" in quiet
    assert "usual" not in quiet


def test_a_script_may_choose_the_status_of_its_error(serve):
    server = serve(
        "from sagemaker_inference.errors import BaseInferenceToolkitError\n"
        "def model_fn(d): return 1\n"
        "def transform_fn(m, b, c, a): raise BaseInferenceToolkitError(400, 'two columns, please', 'bad')"
    )
    assert server.ask("1", Content_Type="text/csv")[0] == 400


@pytest.mark.slow
def test_a_function_that_takes_a_context_sees_each_request_s_headers_and_sets_the_answer_s(serve):
    server = serve(
        "def model_fn(d, context): return 1\n"
        "def transform_fn(m, b, c, a, context):\n"
        "    name = 'X-Amzn-SageMaker-Custom-Attributes'\n"
        "    context.set_response_header(0, name, context.get_request_header(0, name) + ', seen')\n"
        "    return 'ok'"
    )
    for mark in ("one", "two"):
        server.ask("1", Content_Type="text/csv", X_Amzn_SageMaker_Custom_Attributes=mark)
        assert server.headers["x-amzn-sagemaker-custom-attributes"] == f"{mark}, seen"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("x = 1", "Please provide a model_fn implementation"),
        ("def model_fn(d): raise FileNotFoundError('no weights')", "FileNotFoundError: no weights"),
        (
            "def model_fn(d): return 1\ndef input_fn(b, c): return b\ndef transform_fn(m, b, c, a): return b",
            "transform_fn",
        ),
        ("import no_such_package", "No module named 'no_such_package'"),
    ],
)
def test_a_script_that_cannot_serve_does_not_start_and_says_why(serve, script, reason):
    server = serve(script)
    assert reason in server.said()
    assert server.process.returncode == 1


def test_scikit_learn_s_image_needs_a_script(serve):
    assert "SAGEMAKER_PROGRAM is not set" in serve(None, files={"model.joblib": ""}).said()
    assert "no such file" in serve(None, files={"code/other.py": ""}, **SCRIPT).said()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("no-such-package", "the environment does not have it"),
        ("numpy<1", "the environment has numpy"),
        ("-r other.txt", "only names of packages with versions can be compared"),
    ],
)
def test_requirements_that_the_environment_lacks_are_refused(serve, line, reason):
    server = serve("def model_fn(d): return 1", files={"code/requirements.txt": f"# packages\nnumpy>=2\n{line}\n"})
    assert reason in server.said()


def test_requirements_that_the_environment_has_are_satisfied(serve):
    server = serve(MEAN, files={"code/requirements.txt": "numpy>=2  # arrays\n\nno-such; python_version < '3'\n"})
    assert server.ask("[[1, 3]]", Content_Type="application/json")[0] == 200


def test_a_script_finds_its_own_modules_and_none_of_the_server_s(serve):
    server = serve(
        "import training\ndef model_fn(d): return training.ANSWER\ndef transform_fn(m, b, c, a): return m",
        files={"code/training.py": "ANSWER = 'the learner s own'"},
    )
    assert server.ask("1", Content_Type="text/csv")[2] == b"the learner s own"


@pytest.mark.slow
def test_ping_is_answered_while_the_model_thinks(serve):
    server = serve("import time\ndef model_fn(d): return 1\ndef transform_fn(m, b, c, a): time.sleep(6); return 'slow'")
    thinking = HTTPConnection("127.0.0.1", int(server.port.read_text()))
    thinking.request("POST", "/invocations", "1", {"Content-Type": "text/csv"})
    began = time.monotonic()
    assert server.ask(None, "/ping")[0] == 200
    assert time.monotonic() - began < 5
    assert thinking.getresponse().read() == b"slow"


def test_the_server_s_own_files_are_where_an_instance_copies_them_from():
    from helpers.local_account.runners.instance import FOLDER, PROGRAMS

    assert Path(PROGRAM) == FOLDER / PROGRAMS[0]

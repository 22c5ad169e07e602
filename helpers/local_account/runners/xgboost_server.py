"""XGBoost's built-in algorithm serves its own model file, without a script: rows of features in, predictions out."""

import csv
import json
import os
import pickle
from pathlib import Path

import numpy

CSV, LIBSVM, RECORDIO = "csv", "libsvm", "recordio-protobuf"
FORMATS = {  # content types that AWS's image takes
    "csv": CSV,
    "text/csv": CSV,
    "libsvm": LIBSVM,
    "text/libsvm": LIBSVM,
    "text/x-libsvm": LIBSVM,
    "recordio-protobuf": RECORDIO,
    "application/x-recordio-protobuf": RECORDIO,
}
ACCEPTED = ["application/json", "application/jsonlines", "application/x-recordio-protobuf", "text/csv"]


class BadRequest(Exception):
    """The request cannot be answered; the client is told why."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status, self.message = status, message


class AlgorithmHandler:
    """The Booster that training left behind; several files in the archive answer with their mean, as in AWS's image."""

    def __init__(self, framework, model_dir):
        self.model_dir, self.boosters = Path(model_dir), []

    def load(self):
        """Load every file of the model's folder."""
        files = sorted(path for path in self.model_dir.iterdir() if path.is_file())
        if not files:
            raise FileNotFoundError(f"There is no model in {self.model_dir}")
        self.boosters = [booster(path) for path in files]

    def answer(self, body, headers):
        """Return (status, headers, body) of the answer to a request."""
        try:
            if not body:
                return 204, {}, b""
            accept, form = accepted(headers.get("accept")), format_of(headers.get("content-type"))
            return 200, {"Content-Type": accept}, WRITERS[accept](self.predict(body, form).tolist())
        except BadRequest as error:
            print(error.message, flush=True)
            return error.status, {"Content-Type": "text/html; charset=utf-8"}, error.message.encode()

    def predict(self, body, form):
        """Return the predictions for rows: probabilities, classes or values, as the model's objective says."""
        wanted = self.boosters[0].num_features()
        data = matrix(body, form, wanted)
        if data.num_col() != wanted:
            reason = f"Feature size of {form} inference data {data.num_col()} is not consistent with feature size"
            raise BadRequest(400, f"Unable to evaluate payload provided: {reason} of trained model {wanted}.")
        return numpy.mean([each.predict(data, validate_features=False) for each in self.boosters], axis=0)


def booster(path):
    """Load a model file: what `Booster.save_model` wrote, or a pickled Booster, as older images left it."""
    import xgboost

    loaded = xgboost.Booster()
    try:
        loaded.load_model(bytearray(path.read_bytes()))  # from a file it would tell the format by the name's ending
    except xgboost.core.XGBoostError as refusal:
        try:
            loaded = pickle.loads(path.read_bytes())
            loaded.set_param("nthread", 1)
        except Exception as error:
            raise RuntimeError(f"Model at {path} cannot be loaded:\n{error}\n{refusal}") from None
    loaded.set_param("nthread", 1)  # as AWS's image: a single request is small
    return loaded


def format_of(content_type):
    """Return the format that a content type names."""
    named = (content_type or "text/libsvm").split(";")[0].strip().lower()
    if named not in FORMATS:
        raise BadRequest(415, f"{named} is not an accepted ContentType: {', '.join(FORMATS)}.")
    if FORMATS[named] not in READERS:
        raise BadRequest(415, f"AWS's XGBoost reads {named}; the local account's reads text/csv and text/libsvm.")
    return FORMATS[named]


def matrix(body, form, features=0):
    """Return the body of a request as a DMatrix; sparse rows are as wide as the number of features at least."""
    import xgboost

    try:
        # One thread: to wake more takes longer than the work.
        return xgboost.DMatrix(READERS[form](body.decode().strip(), features), nthread=1)
    except Exception as error:
        reason = f"Loading {form} data failed with Exception, please ensure data is in {form} format:"
        raise BadRequest(415, f"{reason}\n {type(error)}\n {error}") from error


def table(text, features):
    """Return the numbers of a CSV text; an empty field is a missing value."""
    lines = text.split("\n")
    separator = "," if "," in lines[0] else sniffed(lines[0])
    return numpy.array([[float(field.strip() or "nan") for field in line.split(separator)] for line in lines])


def sniffed(line):
    """Return the separator of a line without commas, as AWS's image finds it."""
    try:
        found = csv.Sniffer().sniff(line[:512]).delimiter
    except csv.Error:
        return ","
    return "," if found.isalnum() or found in ".-+" else found


def sparse(text, features):
    """Return the numbers of a LIBSVM text, "0:1.5 3:2" a row; a label in front is passed over."""
    from scipy.sparse import csr_matrix

    rows, columns, values = [], [], []
    lines = text.split("\n")
    for row, line in enumerate(lines):
        for column, value in (item.split(":") for item in line.split() if ":" in item):
            rows.append(row)
            columns.append(int(column))
            values.append(float(value))
    return csr_matrix((values, (rows, columns)), shape=(len(lines), max([features - 1, *columns]) + 1))


READERS = {CSV: table, LIBSVM: sparse}


def accepted(accept):
    """Return the content type of the answer."""
    wanted = (accept or "").split(";")[0].strip().lower()
    if wanted in ("", "*/*"):
        wanted = os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "text/csv").lower()
    if wanted not in ACCEPTED:
        raise BadRequest(406, f"Accept type {wanted} is not supported. Please use supported accept types: {ACCEPTED}.")
    if wanted not in WRITERS:
        raise BadRequest(406, f"AWS's XGBoost writes {wanted}; the local account's writes {', '.join(WRITERS)}.")
    return wanted


def written_csv(predictions):
    """Write a line for each row."""
    lines = (",".join(map(str, each)) if isinstance(each, list) else str(each) for each in predictions)
    return "".join(f"{line}\n" for line in lines).encode()


def written_json(predictions):
    """Write {"predictions": [{"score": 0.1}, ...]}."""
    return json.dumps({"predictions": [{"score": each} for each in predictions]}).encode()


def written_jsonlines(predictions):
    """Write {"score": 0.1} a line."""
    return "".join(json.dumps({"score": each}) + "\n" for each in predictions).encode()


WRITERS = {"text/csv": written_csv, "application/json": written_json, "application/jsonlines": written_jsonlines}

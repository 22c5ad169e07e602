"""The data that XGBoost's algorithm reads: CSV without a header and with the label first, LIBSVM, or Parquet."""

import csv
import logging
from pathlib import Path

from xgboost_hyperparameters import UserError
from xgboost_lean import hidden, xgboost

KINDS = {
    "csv": "csv",
    "text/csv": "csv",
    "libsvm": "libsvm",
    "text/libsvm": "libsvm",
    "text/x-libsvm": "libsvm",
    "parquet": "parquet",
    "application/x-parquet": "parquet",
}
RECORDIO = ("recordio-protobuf", "application/x-recordio-protobuf")


def kind_of(content_type):
    """Return the kind of data that a ContentType names, as `text/csv; label_size=1`."""
    if content_type is None:
        return "libsvm"
    name, *options = (part.strip() for part in content_type.lower().split(";"))
    if name in RECORDIO:
        raise UserError(f"{content_type} cannot be read on this machine, which reads CSV, LIBSVM and Parquet.")
    if name not in KINDS:
        raise UserError(f"{content_type} is not an accepted ContentType: {', '.join([*KINDS, *RECORDIO])}.")
    sizes = [option.partition("=")[2] for option in options if option.startswith("label_size")]
    if KINDS[name] == "csv" and any(size.strip() != "1" for size in sizes):
        raise UserError(
            f"{content_type} is not an accepted csv ContentType. Optional parameter label_size must be equal to 1"
        )
    return KINDS[name]


def matrix(folder, kind, csv_weights=0):
    """Return the data below a folder as XGBoost's matrix, or None if there is none."""
    files = sorted(file for file in Path(folder).rglob("*") if file.is_file() and file.name[0] not in "._")
    if not any(file.stat().st_size for file in files):
        return None
    try:
        return {"csv": of_csv, "libsvm": of_libsvm, "parquet": of_parquet}[kind](files, csv_weights)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"Failed to load {kind} data with exception:\n{error}") from error


def of_csv(files, csv_weights):
    """Read CSV: the label, with csv_weights=1 the weight, then the features."""
    import numpy

    with hidden("pyarrow"):
        import pandas

    with open(files[0], errors="ignore") as file:
        line = file.readline()
    try:
        delimiter = csv.Sniffer().sniff(line, ",;|\t ").delimiter
    except csv.Error as error:
        raise UserError(f"Could not determine delimiter on line {line[:50]}:\n{error}") from error
    logging.info("Determined delimiter of CSV input is '%s'", delimiter)
    frames = [
        pandas.read_csv(file, header=None, sep=delimiter).astype("float32") for file in files if file.stat().st_size
    ]
    values = numpy.vstack([frame.to_numpy() for frame in frames])
    if csv_weights:
        return xgboost.DMatrix(values[:, 2:], label=values[:, 0], weight=values[:, 1])
    return xgboost.DMatrix(values[:, 1:], label=values[:, 0])


def of_libsvm(files, _):
    """Read LIBSVM: label[:weight] index:value index:value."""
    import numpy
    import scipy.sparse

    labels, weights, values, columns, rows = [], [], [], [], [0]
    for file in files:
        with open(file) as lines:
            for line in filter(str.strip, lines):
                first, *features = line.partition("#")[0].split()
                label, _, weight = first.partition(":")
                labels.append(float(label))
                weights.append(float(weight) if weight else 1.0)
                for feature in features:
                    column, _, value = feature.partition(":")
                    columns.append(int(column))
                    values.append(float(value))
                rows.append(len(values))
    table = scipy.sparse.csr_matrix((numpy.array(values, "float32"), columns, rows))
    weighted = {"weight": weights} if any(weight != 1.0 for weight in weights) else {}
    return xgboost.DMatrix(table, label=labels, **weighted)


def of_parquet(files, _):
    """Read Parquet: the label in the first column."""
    import numpy
    import pandas

    values = numpy.vstack([pandas.read_parquet(file).to_numpy("float32") for file in files])
    return xgboost.DMatrix(values[:, 1:], label=values[:, 0])

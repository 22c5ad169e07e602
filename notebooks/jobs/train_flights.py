"""Train XGBoost to tell which flights will not be on time: the program of a training job.

It learns from every CSV file of the channel `train`, watches the channel `validation` and leaves `xgboost-model`, which
SageMaker's XGBoost image can serve, in the model folder. If the channel `train` brings an `encoder.json`, the model
takes it along. SageMaker names the folders in SM_ variables and gives hyperparameters as arguments. By hand:

    python train_flights.py --train data/train --validation data/validation --model-dir model --num_round 150 --eta 0.1
"""

import argparse
import json
import os
import shutil
import sys
from pathlib import Path

import pandas
import xgboost

# The names and, but for num_round and seed, the defaults are XGBoost's own.
HYPERPARAMETERS = {
    "num_round": 100,
    "max_depth": 6,
    "eta": 0.3,
    "min_child_weight": 1.0,
    "subsample": 1.0,
    "colsample_bytree": 1.0,
    "lambda": 1.0,
    "alpha": 0.0,
    "gamma": 0.0,
    "seed": 42,
}


def main(arguments=None):
    given = vars(parser().parse_args(arguments))
    refuse_several_machines()
    train, validation = flights("train", given["train"]), flights("validation", given["validation"])
    print(f"{train.num_row()} flights to learn from, {validation.num_row()} to validate on", flush=True)
    model = xgboost.train(
        params={
            "objective": "binary:logistic",
            "eval_metric": "auc",
            "nthread": 1,  # 55,387 rows take a second; more threads would only get in each other's way
            **{name: given[name] for name in HYPERPARAMETERS if name != "num_round"},
        },
        dtrain=train,
        num_boost_round=given["num_round"],
        evals=[(train, "train"), (validation, "validation")],
        callbacks=[xgboost.callback.EvaluationMonitor(period=25, logger=say)],
        verbose_eval=False,
    )
    keep(model, Path(given["train"]), Path(given["model_dir"]))


def parser():
    """Folders come from SageMaker's variables unless given; hyperparameters are arguments."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--train", default=os.environ.get("SM_CHANNEL_TRAIN"))
    parser.add_argument("--validation", default=os.environ.get("SM_CHANNEL_VALIDATION"))
    parser.add_argument("--model-dir", default=os.environ.get("SM_MODEL_DIR", "/opt/ml/model"))
    for name, default in HYPERPARAMETERS.items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    # A tuning job tells the program by which metric it is judged; we print it anyway.
    parser.add_argument("--_tuning_objective_metric", help=argparse.SUPPRESS)
    return parser


def refuse_several_machines():
    hosts = json.loads(os.environ.get("SM_HOSTS", "[]"))
    if len(hosts) > 1:
        sys.exit(f"This program trains on one machine, but the job has {len(hosts)}: set InstanceCount to 1.")


def flights(channel, folder):
    """All CSV files of a channel as one matrix: label first, then features; an empty field is a missing value."""
    if folder is None:
        sys.exit(
            f"No channel '{channel}': the job must have an input channel of that name (SM_CHANNEL_{channel.upper()})."
        )
    files = sorted(Path(folder).rglob("*.csv"))
    if not files:
        sys.exit(f"No CSV file in the channel '{channel}': {folder} is empty, does not exist or holds other files.")
    table = pandas.concat([pandas.read_csv(file, header=None) for file in files])
    numbers = table.to_numpy(dtype="float32")  # fails on a header line, and names the word that is no number
    return xgboost.DMatrix(numbers[:, 1:], label=numbers[:, 0], nthread=1)


def say(line):
    """One line such as "[25] train-auc:0.75021 validation-auc:0.71822", for people and for metric definitions."""
    print(line.strip().replace("\t", " "), flush=True)


def keep(model, train, folder):
    """Leave in the model folder what SageMaker packs into model.tar.gz."""
    folder.mkdir(parents=True, exist_ok=True)
    saved = folder / "xgboost-model.ubj"  # XGBoost chooses its format by this ending
    model.save_model(saved)
    saved.rename(folder / "xgboost-model")  # and SageMaker wants the name without it
    encoder = train / "encoder.json"
    if encoder.exists():
        shutil.copy(encoder, folder)
    else:
        print("The channel 'train' brought no encoder.json: a request must hold encoded features.")


if __name__ == "__main__":
    main()

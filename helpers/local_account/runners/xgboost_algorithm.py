"""XGBoost's algorithm trains on the channel `train`, watches `validation`, leaves /opt/ml/model/xgboost-model.

It runs on the machine of the job and keeps the rules of AWS's XGBoost image where that is given no script.
"""

import json
import logging
import os
import re
import signal
import socket
import sys
import time
import traceback
import zlib
from contextlib import contextmanager
from pathlib import Path

import numpy
from xgboost_data import kind_of, matrix
from xgboost_hyperparameters import MAXIMIZED, UserError, validated
from xgboost_lean import RabitTracker, collective, xgboost

ML = Path("/opt/ml")
MODEL = ML / "model/xgboost-model"
KEPT = 5  # checkpoints
PATIENCE = 300  # seconds that hosts wait for each other

# Faults of the data or of the request, by what XGBoost says of them.
USER_FAULTS = ("label must be", "labels must be", "base_score must be in")


def main():
    """Train, and leave the reason of a failure where the platform looks for it."""
    logging.basicConfig(
        format="[%(asctime)s:%(levelname)s] %(message)s",
        datefmt="%Y-%m-%d:%H:%M:%S",
        level=logging.INFO,
        stream=sys.stdout,
    )
    logging.info("Running XGBoost Sagemaker in algorithm mode")
    try:
        run()
    except Exception as error:
        logging.error("Reporting training FAILURE\n%s", traceback.format_exc())
        last = "".join(traceback.format_exception(error, chain=False))  # the platform shows 1024 characters
        (ML / "output/failure").write_text(f"framework error: \n{last}\n{error}")
        sys.exit(1)


def run():
    """Check everything, read the data, train with the other hosts if there are any."""
    settings = validated(config("hyperparameters"))
    channels = config("inputdataconfig")
    if "train" not in channels:
        raise UserError("Missing required channel: train")
    for name in channels:
        if name not in ("train", "validation", "code"):
            raise UserError(f"Extraneous channel found: {name}")
    kind = kind_of(channels["train"].get("ContentType"))
    train = matrix(ML / "input/data/train", kind, settings.get("csv_weights", 0))
    validation = matrix(ML / "input/data/validation", kind) if "validation" in channels else None

    resources = config("resourceconfig")
    hosts, here = resources["hosts"], resources["current_host"]
    if len(hosts) == 1:
        if train is None:
            raise UserError(f"No data in training channel path {ML}/input/data/train")
        if "validation" in channels and validation is None:
            raise UserError(f"No data in validation channel path {ML}/input/data/validation")
        logging.info("Single node training.")
        fit(settings, train, validation)
    else:
        logging.info("Distributed node training with %d hosts: %s", len(hosts), hosts)
        together(hosts, here, settings, train, validation)


def together(hosts, here, settings, train, validation):
    """Train with other hosts: each holds a part of the rows, and after each round all have the same trees.

    The first host keeps the list of who takes part. A host without rows says so in a first meeting and then stays away.
    """
    first, port = hosts[0], 9099 + 4 * (zlib.crc32(os.environ["TRAINING_JOB_NAME"].encode()) % 5000)
    with meeting(first, port, len(hosts), here):
        counts = numpy.zeros(len(hosts))
        counts[hosts.index(here)] = train.num_row() if train is not None else 0
        rows = dict(zip(hosts, collective.allreduce(counts, collective.Op.SUM), strict=True))
    taking_part = [host for host in hosts if rows[host]]
    if not taking_part:
        raise UserError(f"No data in training channel path {ML}/input/data/train")
    if here not in taking_part:
        logging.warning("Host %s does not have data and will not be used in distributed training.", here)
        return
    with meeting(taking_part[0], port + 1, len(taking_part), here):
        fit(settings, train, validation, main_host=here == taking_part[0])


@contextmanager
def meeting(first, port, count, here):
    """Let so many hosts speak with each other; the first of them leads."""
    address = socket.gethostbyname(first)
    leads = here == first
    if leads:
        tracker = RabitTracker(count, host_ip=address, port=port, timeout=PATIENCE)
        tracker.start()
        door = socket.create_server((address, port + 2))  # who can connect here knows that the tracker is there
    else:
        wait_for(address, port + 2)
    facts = {"dmlc_tracker_uri": address, "dmlc_tracker_port": port, "dmlc_timeout": PATIENCE}
    with collective.CommunicatorContext(dmlc_communicator="rabit", **facts):
        yield
    if leads:
        tracker.wait_for(PATIENCE)
        door.close()


def wait_for(address, port):
    """Wait until a host listens."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return socket.create_connection((address, port), timeout=1).close()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def fit(settings, train, validation, main_host=True):
    """Train and save the model."""
    logging.info("Train matrix has %d rows and %d columns", train.num_row(), train.num_col())
    watched = [(train, "train")]
    if validation is not None:
        logging.info("Validation matrix has %d rows", validation.num_row())
        watched.append((validation, "validation"))

    parameters = dict(settings)
    rounds = parameters.pop("num_round")
    patience = parameters.pop("early_stopping_rounds", None)
    save_when_stopped = parameters.pop("save_model_on_termination", "false") == "true"
    parameters.pop("csv_weights", None)
    if "updater" in parameters:
        parameters["updater"] = ",".join(parameters["updater"])
    for name in ("monotone_constraints", "interaction_constraints"):
        if name in parameters:
            parameters[name] = str(parameters[name])
    wanted = parameters.pop("eval_metric", [])
    tuned = parameters.pop("_tuning_objective_metric", "").partition(":")[2]
    if tuned:
        logging.info("Setting up HPO optimized metric to be : %s", tuned)
        wanted = [name for name in wanted if name != tuned] + [tuned]
    parameters["eval_metric"] = [name for name in wanted if name not in OWN_METRICS] or None
    own = [OWN_METRICS[name] for name in wanted if name in OWN_METRICS]
    if parameters["eval_metric"] is None:
        parameters |= {"disable_default_eval_metric": 1} if own else {}
        del parameters["eval_metric"]

    callbacks = [Stop(save_when_stopped)]
    before, done = None, 0
    if (ML / "input/config/checkpointconfig.json").exists():
        folder = Path(config("checkpointconfig")["LocalPath"])
        before, done = latest(folder)
        rounds -= done
        if before:
            checkpoint, before = before, xgboost.Booster()
            before.load_model(bytearray(checkpoint.read_bytes()))
            logging.info("Checkpoint loaded from %s", checkpoint)
            logging.info("Resuming from iteration %d", done)
        if main_host:
            callbacks.append(Checkpoint(folder, done))
    callbacks.append(Monitor(done))
    if patience and validation is not None:  # the last of all, since none is asked after the one that ends it
        metric = wanted[-1] if wanted else None
        logging.info("Early stopping after %d rounds without a better value of %s", patience, metric or "the metric")
        callbacks.append(
            xgboost.callback.EarlyStopping(
                rounds=patience,
                data_name="validation",
                metric_name=metric,
                maximize=metric in MAXIMIZED if metric else None,
                save_best=True,
            )
        )

    try:
        model = xgboost.train(
            parameters,
            train,
            num_boost_round=max(0, rounds),
            evals=watched,
            custom_metric=(lambda predicted, data: [metric(predicted, data) for metric in own]) if own else None,
            callbacks=callbacks,
            xgb_model=before,
            verbose_eval=False,
        )
    except xgboost.core.XGBoostError as error:
        words = str(error).partition("\nStack trace")[0]
        if any(fault in words for fault in USER_FAULTS):
            raise UserError(words) from error
        raise RuntimeError(f"XGB train call failed with exception:\n {words}") from error
    if main_host:
        model.save_model(MODEL.with_suffix(".ubj"))
        MODEL.with_suffix(".ubj").rename(MODEL)
        logging.info("Stored trained model at %s", MODEL)


class Stop(xgboost.callback.TrainingCallback):
    """Ends the training when the job is stopped; with save_model_on_termination the trees that there are are kept."""

    def __init__(self, save):
        super().__init__()
        self.stopped = False

        def stop(*_):
            if not save:
                os._exit(0)
            self.stopped = True

        signal.signal(signal.SIGTERM, stop)

    def after_iteration(self, model, epoch, evals_log):
        """Tell XGBoost whether to end."""
        return self.stopped


class Monitor(xgboost.callback.EvaluationMonitor):
    """Prints the metrics of every round, and counts on where a checkpoint had ended."""

    def __init__(self, done):
        super().__init__()
        self.done = done

    def after_iteration(self, model, epoch, evals_log):
        """Print a line as `[7]  train-auc:0.98061  validation-auc:0.91964`, with tabs."""
        return super().after_iteration(model, self.done + epoch, evals_log)


class Checkpoint(xgboost.callback.TrainingCallback):
    """Saves the model after every round as xgboost-checkpoint.<round>, and keeps the last few."""

    def __init__(self, folder, done):
        super().__init__()
        self.folder, self.done = folder, done

    def after_iteration(self, model, epoch, evals_log):
        """Save the model."""
        number = self.done + epoch
        draft = self.folder / f"{number}.draft.ubj"
        model.save_model(draft)
        draft.rename(self.folder / f"xgboost-checkpoint.{number}")
        (self.folder / f"xgboost-checkpoint.{number - KEPT}").unlink(missing_ok=True)
        return False


def latest(folder):
    """Return the last checkpoint of a folder and how many rounds it has seen."""
    numbers = [
        int(found[1]) for file in folder.iterdir() if (found := re.fullmatch(r"xgboost-checkpoint\.(\d+)", file.name))
    ]
    return (folder / f"xgboost-checkpoint.{max(numbers)}", max(numbers) + 1) if numbers else (None, 0)


def scored(name, score, **options):
    """Return a metric of scikit-learn in the form that XGBoost calls."""

    def metric(predicted, data):
        from sklearn import metrics

        labels = data.get_label()
        if name not in ("mse", "r2"):
            predicted = predicted.argmax(axis=1) if predicted.ndim > 1 else (predicted > 0.5).astype(int)
        return name, float(getattr(metrics, score)(labels, predicted, **options))

    return metric


OWN_METRICS = {
    "accuracy": scored("accuracy", "accuracy_score"),
    "balanced_accuracy": scored("balanced_accuracy", "balanced_accuracy_score"),
    "f1": scored("f1", "f1_score", average="macro"),
    "f1_binary": scored("f1_binary", "f1_score"),
    "f1_macro": scored("f1_macro", "f1_score", average="macro"),
    "mse": scored("mse", "mean_squared_error"),
    "precision": scored("precision", "precision_score"),
    "precision_macro": scored("precision_macro", "precision_score", average="macro"),
    "precision_micro": scored("precision_micro", "precision_score", average="micro"),
    "r2": scored("r2", "r2_score"),
    "recall": scored("recall", "recall_score"),
    "recall_macro": scored("recall_macro", "recall_score", average="macro"),
    "recall_micro": scored("recall_micro", "recall_score", average="micro"),
}


def config(name):
    """Return one of the files that the platform has written."""
    return json.loads((ML / f"input/config/{name}.json").read_text())


if __name__ == "__main__":
    main()

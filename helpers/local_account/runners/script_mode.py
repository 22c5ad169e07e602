"""Script mode: an image of AWS fetches a learner's script, tells it the job in SM_* variables, and runs it.

The hyperparameters `sagemaker_program` and `sagemaker_submit_directory` name the script and the archive that holds
it; all others become arguments, --name value. This is how the SDK v2 starts jobs. It runs on the machine of the job.
"""

import builtins
import json
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

ML = Path("/opt/ml")
CODE = ML / "code"
FAILURE = ML / "output/failure"
ERROR_NAMES = {name for name, kind in vars(builtins).items() if isinstance(kind, type) and issubclass(kind, Exception)}


class UserScriptError(Exception):
    """What the learner gave does not work; the class's name begins the message."""

    def __init__(self, code, message, command):
        super().__init__(f'{type(self).__name__}:\nExitCode {code}\nErrorMessage "{message}"\nCommand "{command}"')


class InstallRequirementsError(UserScriptError):
    """The packages of requirements.txt could not be installed."""


class ExecuteUserScriptError(UserScriptError):
    """The script has ended with another exit code than 0."""


def main():
    """Fetch, install, run; leave the reason of a failure where the platform looks for it."""
    try:
        job = Job()
        job.fetch()
        job.install()
        job.run()
        print("Reporting training SUCCESS")
    except UserScriptError as error:
        fail(str(error))
    except Exception as error:
        import traceback

        fail(f"framework error: \n{traceback.format_exc()}\n{error}")


def fail(message):
    """Report a failure to the log and to the platform."""
    print(f"Reporting training FAILURE\n{message}", file=sys.stderr)
    FAILURE.write_text(message)
    sys.exit(1)


class Job:
    """What the platform has written down of the job, and what follows from it."""

    def __init__(self):
        self.resources = config("resourceconfig")
        self.channels = config("inputdataconfig")
        values = {name: decoded(value) for name, value in config("hyperparameters").items()}
        own = {
            name: value
            for name, value in values.items()
            if name.startswith("sagemaker_") or name == "_tuning_objective_metric"  # the latter is of tuning jobs
        }
        self.hyperparameters = {name: value for name, value in values.items() if name not in own}
        self.script = os.environ.get("SAGEMAKER_PROGRAM") or own.get("sagemaker_program")
        self.source = os.environ.get("SAGEMAKER_SUBMIT_DIRECTORY") or own.get("sagemaker_submit_directory") or str(CODE)
        known = (
            "program",
            "submit_directory",
            "container_log_level",
            "job_name",
            "region",
            "s3_output",
            "_tuning_objective_metric",
        )
        self.parameters = {name: value for name, value in own.items() if name.removeprefix("sagemaker_") not in known}
        self.log_level = own.get("sagemaker_container_log_level", 20)
        if not self.script:
            raise ValueError("No script was given: the hyperparameter sagemaker_program must name one.")

    def fetch(self):
        """Bring the script's folder to /opt/ml/code."""
        CODE.mkdir(parents=True, exist_ok=True)
        source = Path(self.source)
        if self.source.startswith("s3://"):
            import boto3

            source = ML / "sourcedir.tar.gz"
            bucket, _, key = self.source.removeprefix("s3://").partition("/")
            boto3.client("s3").download_file(bucket, key, str(source))
        if source.is_file():
            with tarfile.open(source) as archive:
                archive.extractall(CODE, filter="data")
        elif source != CODE:
            shutil.copytree(source, CODE, dirs_exist_ok=True)
        self.relocate()

    def relocate(self):
        """Let the programs find the container's paths on this machine, which has no container."""
        from relocation import Relocation

        paths = Path(__file__).with_name("paths").read_text().split("\n")
        Relocation(Path(sys.prefix).parents[1], paths).tree(CODE)

    def install(self):
        """Install what requirements.txt asks for, for this job alone."""
        if (CODE / "requirements.txt").exists():
            command = [sys.executable, "-m", "pip", "install", "-r", "requirements.txt"]
            code, words = call(command, CODE, os.environ)
            if code:
                raise InstallRequirementsError(code, words, " ".join(command))

    def run(self):
        """Run the script with its variables and arguments."""
        arguments = self.arguments()
        python = (
            [sys.executable, self.script]
            if self.script.endswith(".py")
            else ["/bin/sh", "-c", f'./{self.script} "$@"', "sh"]
        )
        command = [*python, *arguments]
        shown = " ".join([sys.executable, self.script, *arguments] if self.script.endswith(".py") else command)
        print(f"Invoking script with the following command:\n\n{shown}\n", flush=True)
        path = ":".join(filter(None, [str(CODE), os.environ.get("PYTHONPATH")]))
        code, words = call(command, CODE, {**os.environ, **self.variables(), "PYTHONPATH": path})
        if code:
            raise ExecuteUserScriptError(code, words, shown)

    def arguments(self):
        """Return the hyperparameters as arguments: --n-estimators 100 -k 3."""
        words = []
        for name, value in sorted(self.hyperparameters.items()):
            if isinstance(value, dict):
                value = ",".join(f"{key}={inner}" for key, inner in sorted(value.items()))
            words += [f"--{name}" if len(name) > 1 else f"-{name}", "" if value is None else str(value)]
        return words

    def variables(self):
        """Return the SM_* variables."""
        folders = {name: str(ML / "input/data" / name) for name in self.channels}
        here = self.resources["current_host"]
        group = self.resources["current_group_name"]
        groups = self.resources["instance_groups"]
        hosts = next(each["hosts"] for each in groups if each["instance_group_name"] == group)
        facts = {
            "channels": sorted(self.channels),
            "current_host": here,
            "current_instance_group": group,
            "current_instance_group_hosts": hosts,
            "current_instance_type": self.resources["current_instance_type"],
            "distribution_instance_groups": [],
            "framework_module": None,
            "framework_params": self.parameters,
            "hosts": self.resources["hosts"],
            "hps": self.hyperparameters,
            "input_config_dir": str(ML / "input/config"),
            "input_data_config": self.channels,
            "input_dir": str(ML / "input"),
            "instance_groups": [each["instance_group_name"] for each in groups],
            "instance_groups_dict": {each["instance_group_name"]: each for each in groups},
            "is_hetero": len(groups) > 1,
            "log_level": self.log_level,
            "model_dir": str(ML / "model"),
            "module_dir": self.source,
            "module_name": self.script.removesuffix(".py"),
            "network_interface_name": self.resources["network_interface_name"],
            "num_cpus": multiprocessing.cpu_count(),
            "num_gpus": 0,
            "num_neurons": 0,
            "output_data_dir": str(ML / "output/data"),
            "output_dir": str(ML / "output"),
            "output_intermediate_dir": str(ML / "output/intermediate"),
            "resource_config": self.resources,
            "user_args": self.arguments(),
            "user_entry_point": self.script,
        }
        renamed = {"channels": None, "framework_params": "additional_framework_parameters", "hps": "hyperparameters"}
        everything = {
            renamed.get(name, name): value for name, value in facts.items() if name not in ("channels", "user_args")
        }
        facts["training_env"] = everything | {
            "channel_input_dirs": folders,
            "is_master": here == self.resources["hosts"][0],
            "job_name": os.environ["TRAINING_JOB_NAME"],
            "master_hostname": self.resources["hosts"][0],
        }
        facts |= {f"channel_{name}": folder for name, folder in folders.items()}
        facts |= {f"hp_{name}": value for name, value in self.hyperparameters.items()}
        return {f"SM_{name.upper()}": encoded(value) for name, value in facts.items()}


def call(command, folder, environment):
    """Run a command; return its exit code and, of what it wrote to stderr, the part from the first error on."""
    process = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())  # a stop of the job is meant for the script
    words = []
    for line in process.stderr:
        sys.stderr.buffer.write(line)
        sys.stderr.buffer.flush()
        text = line.decode(errors="replace")
        if words or ERROR_NAMES.intersection(re.findall(r"\w+", text)):
            words.append(text)
        del words[200:]
    return process.wait(), "".join(words).strip()


def config(name):
    """Return one of the files that the platform has written."""
    return json.loads((ML / f"input/config/{name}.json").read_text())


def decoded(value):
    """Return a hyperparameter's value: SDK v2 sends them as JSON."""
    try:
        return json.loads(value)
    except ValueError:
        return value


def encoded(value):
    """Return a value as a variable's text."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"))


if __name__ == "__main__":
    main()

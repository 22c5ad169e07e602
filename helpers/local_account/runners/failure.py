"""A job's failure, in the words that its FailureReason will have."""


class Failure(Exception):
    """The job fails, for this reason."""


def client_error(text):
    """Return the failure of a job whose request or data is to blame."""
    return Failure(f"ClientError: {text}")


def algorithm_error(machine, code):
    """Return the failure of a job whose program has ended with an exit code.

    What the program has left in /opt/ml/output/failure, its first 1024 characters, is the reason that AWS shows.
    """
    try:
        with open(machine.path("/opt/ml/output/failure"), encoding="utf-8", errors="replace") as file:
            words = machine.relocation.outward(file.read(64 * 1024))[:1024]
    except OSError:
        words = ""
    return Failure(f"AlgorithmError: {words}, exit code: {code}")

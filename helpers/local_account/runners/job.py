"""A job: machines start, a program runs on each until all have ended or time is up, and then the machines are gone.

Training, processing and batch transform share this life; what each does in between stands in a file of its own.
"""

import queue
import sys
import threading
import time
import traceback
from abc import ABC, abstractmethod

from ..kinds import BY_NAME
from .failure import Failure, algorithm_error

GRACE = 120  # seconds between SIGTERM and SIGKILL
CUT_OFF = "The local account was stopped while this job ran."


class Jobs(ABC):
    """The jobs of one kind: each runs in a thread of its own, and tells in its record how far it is.

    A kind of job is a subclass with `job` (the Job class), `refuse` and `first`.
    """

    job: type

    def __init__(self, account):
        self.account, self.jobs = account, {}

    @abstractmethod
    def refuse(self, request, region=None):
        """Raise if a request cannot work, or asks for what the local account cannot honour."""

    def first(self, request):
        """Return what the record of a new job says, beside what was asked for."""
        return {}

    def start(self, record):
        """Run the job of a new record; returns at once."""
        job = self.job(self.account, record, self.forget)
        self.jobs[record["_Region"], job.name] = job
        job.thread.start()

    def stop(self, record):
        """Ask a job to end, as its Stop operation does; its record says Stopping already."""
        job = self.jobs.get((record["_Region"], record[BY_NAME[self.job.kind].key]))
        if job:
            job.stop()

    def running(self):
        """Return the names of the jobs that have not ended."""
        return [name for _, name in list(self.jobs)]

    def recover(self):
        """Set right what a sudden death left behind: no job of before runs any more."""
        for record in self.account.records.all(self.job.kind):
            self.job.end(self.account, record, "Failed", CUT_OFF)

    def close(self):
        """End every job, since the account is stopped."""
        jobs = list(self.jobs.values())
        for job in jobs:
            job.cut_off()
        for job in jobs:
            job.thread.join(10)

    def forget(self, job):
        """Let go of a job that has ended."""
        self.jobs.pop((job.region, job.name), None)


class Job(ABC):
    """One run of a job, from the first machine to the last file.

    A subclass has `kind`, its name in kinds.py, and `work`, which does everything and raises Failure.
    """

    kind: str

    def __init__(self, account, record, forget):
        self.account, self.request, self.forget = account, record, forget
        self.name, self.region = record[BY_NAME[self.kind].key], record["_Region"]
        self.machines, self.processes, self.logs = [], {}, []
        self.hosts = []  # their names, in the order of the machines
        self.events = queue.Queue()  # ("ended", host, exit code), ("stop",), ("interrupt",), ("cut off",)
        self.asked = None  # "stop" or "cut off", as soon as somebody wants the end
        self.stopping = self.exceeded = self.interrupted = self.gone = False  # why the program is being ended
        self.thread = threading.Thread(target=self.run, name=f"{self.kind}-{self.name}", daemon=True)

    def run(self):
        """Run the job to its end, whatever happens."""
        outcome, reason = "Completed", None
        try:
            self.work()
        except Failure as failure:
            outcome, reason = "Failed", str(failure)
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            outcome = "Failed"
            reason = f"InternalServerError: the local account failed: {type(error).__name__}: {error}"
        try:
            self.release()
        except Exception:
            traceback.print_exc(file=sys.stderr)
        if self.gone:
            outcome, reason = "Failed", CUT_OFF
        elif self.is_stopping() or (self.exceeded and outcome == "Completed"):
            outcome, reason = "Stopped", None  # however it ended
        while not self.finished(outcome, reason) and self.asked != "cut off":
            time.sleep(1)  # the disk may be full: the record must not say forever that the job runs
        self.forget(self)

    @abstractmethod
    def work(self):
        """Do what SageMaker does for such a job, in its order; raise Failure where it fails."""

    def finished(self, outcome, reason):
        """Write the end of the job into its record; tell whether that went well."""
        try:
            self.finish(outcome, reason)
        except Exception:
            traceback.print_exc(file=sys.stderr)
            return False
        return True

    def finish(self, outcome, reason):
        """Write the end of the job into its record: Completed, Stopped, or Failed with the reason."""
        self.end(self.account, self.request, outcome, reason)

    @classmethod
    def end(cls, account, record, outcome, reason=None, *facts, **members):
        """Write the final status of a job into its record, with what `ended` returns, unless it has one."""
        kind = BY_NAME[cls.kind]
        with account.records.lock:
            record = account.records.get(kind.name, record["_Region"], record[kind.key])
            if record is None or record[kind.status] in kind.finished:
                return
            now = account.clock.now()
            members |= cls.ended(record, now, *facts) | {kind.status: outcome, "LastModifiedTime": now}
            if reason:
                members["FailureReason"] = reason
            cls.bill(account, {**record, **members})
            account.records.change(kind.name, record["_Region"], record[kind.key], **members)

    @classmethod
    def ended(cls, record, now):
        """Return the members of a record that tell when the job ended."""
        return {}

    @classmethod
    def bill(cls, account, record):
        """Tell the meter which machines the job of a record has had, and from when until when; a job may have none."""
        return

    def record(self):
        """Return the job's record as it is now, or None if it was deleted."""
        return self.account.records.get(self.kind, self.region, self.name)

    def is_stopping(self):
        """Tell whether the job was asked to stop, by its Stop operation."""
        return (self.record() or {}).get(BY_NAME[self.kind].status) == "Stopping"

    def await_programs(self, seconds):
        """Wait until the programs of all hosts have ended; return the failure of the first to fail, if any.

        `self.processes` holds them by host, and each reports ("ended", host, exit code) to `self.events`. After
        `seconds`, or when the job is stopped or interrupted, they get SIGTERM, and SIGKILL after their time of grace.
        """
        limit, deadline = time.monotonic() + seconds, None
        failure, left = None, set(self.hosts)
        while left:
            until = deadline if self.is_ending() else limit
            try:
                event, *facts = self.events.get(timeout=max(0, until - time.monotonic()) if until else None)
            except queue.Empty:
                event, facts = "late", []
            match event:
                case "ended":
                    host, code = facts
                    left.discard(host)
                    if code != 0 and not (self.is_ending() or self.gone or failure):
                        failure = self.failed(self.machines[self.hosts.index(host)], code)
                        self.kill()  # a job fails with its first host
                case "stop" | "late" | "interrupt" if not (self.is_ending() or (event == "interrupt" and failure)):
                    self.stopping, self.exceeded = event == "stop", event == "late"
                    self.interrupted = event == "interrupt"
                    deadline = time.monotonic() + GRACE
                    if self.exceeded:
                        self.run_out()
                    for process in self.processes.values():
                        process.terminate()
                case "late":
                    deadline = None
                    self.kill()
                case "cut off":
                    self.gone = True
                    self.kill()
        return failure

    def is_ending(self):
        """Tell whether the programs have been told to end."""
        return self.stopping or self.exceeded or self.interrupted

    def run_out(self):
        """Do what is to be done at the moment when the job's time is up; most jobs have nothing to do then."""
        return

    def failed(self, machine, code):
        """Return the Failure of a program that ended with another exit code than 0."""
        return algorithm_error(machine, code)

    def stop(self):
        """End the program: SIGTERM, and SIGKILL when it has had its time."""
        self.asked = self.asked or "stop"
        self.events.put(("stop",))

    def cut_off(self):
        """End the program at once, since the account ends."""
        self.asked = "cut off"
        self.events.put(("cut off",))

    def heed_stop(self):
        """Leave early if the job is to end before its program has begun."""
        if self.asked:
            self.gone = self.asked == "cut off"
            raise Failure("The job was stopped.")

    def kill(self):
        """End every program of the job."""
        for process in self.processes.values():
            process.kill()

    def release(self):
        """End and remove what there still is of the job."""
        self.kill()
        for process in self.processes.values():
            process.wait()
        for log in self.logs:
            log.close()
        for machine in self.machines:
            machine.remove()

"""The quotas that chapters need of an account, for one learner or many, and the words to ask for them."""

from collections import Counter

from ..local_account.quotas import ACROSS, USAGES, all_quotas
from . import rentals

LINK = "https://{region}.console.aws.amazon.com/servicequotas/home/services/sagemaker/quotas/{code}"
NOTEBOOKS = "Total number of notebook instances"  # of all types; the one quota of the table without a default
WORKPLACE = ("notebook", "ml.t3.medium")  # what `course stack` makes for a learner with NotebookInstance=yes


def wanted(chapters=()):
    """Return how many machines chapters ("06"), or all by (), rent at a time for a learner: {(component, type): n}."""
    most: Counter = Counter()
    for rented in _by_chapter(chapters).values():
        most |= rented
    return most


def for_class(chapters, learners, workplaces=0):
    """Return how much of each quota a class needs that is all in the same chapter, by the quota's name.

    `workplaces` of the learners have a notebook instance to work on besides.
    """
    needed: Counter = Counter()
    for rented in _by_chapter(chapters).values():
        together = Counter({machine: learners * count for machine, count in rented.items()})
        together += Counter({WORKPLACE: workplaces})
        within: Counter = Counter()
        for (component, machine), count in together.items():
            within[f"{machine} for {USAGES[component]}"] += count
            within[f"Number of {ACROSS[component]}" if component in ACROSS else NOTEBOOKS] += count
        needed |= within
    return needed


def published():
    """Return AWS's published quotas by their names."""
    return {quota.name: quota for quota in all_quotas()}


def command(region, code, count):
    """Return the command that asks for a quota."""
    return (
        f"aws service-quotas request-service-quota-increase --service-code sagemaker --region {region} "
        f"--quota-code {code} --desired-value {count}"
    )


def text(region, needed, learners=1):
    """Return the text to paste into a request, for {name of a quota: how much of it}."""
    whom = f", {learners} learners at the same time," if learners > 1 else ""
    words = [f"{count} × {name}" if " for " in name else f"{name}: {count}" for name, count in needed.items()]
    return (
        f'"We follow a course on SageMaker in {region}{whom} and need {", ".join(words)}, for some minutes at a time."'
    )


def _by_chapter(chapters):
    """Return the machines of each chapter that rents any."""
    found: dict = {}
    for row in rentals.of_chapters():
        if not chapters or row["chapter"] in chapters:
            machine = row["component"], row["instance_type"]
            found.setdefault(row["chapter"], Counter())[machine] = int(row["count"])
    return found

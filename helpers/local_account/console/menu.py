"""The console's menu: AWS's sections and entries, as they are called today and as they were called before."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """A page in the menu; one without a path is in AWS's console, but not in the local account."""

    label: str
    path: str = ""
    older: str = ""  # as tutorials of before call it


@dataclass(frozen=True)
class Section:
    """A heading of the menu with its entries."""

    label: str
    entries: tuple
    older: str = ""


# AWS's own order. Where users of the console disagree about a place, the entry stands where most have seen it.
MENU = (
    Section("", (Entry("Dashboard", "dashboard"),)),
    Section(
        "Applications and IDEs",
        (
            Entry("Studio"),
            Entry("Canvas"),
            Entry("TensorBoard"),
            Entry("Profiler"),
            Entry("Notebooks", "notebook-instances", "Notebook > Notebook instances"),
        ),
    ),
    Section("Admin configurations", (Entry("Domains"),)),
    Section("JumpStart", (Entry("Foundation models"),)),
    Section("Ground Truth", ()),
    Section(
        "Data preparation",
        (Entry("Processing jobs", "processing-jobs", "Processing > Processing jobs"),),
        "Processing",
    ),
    Section(
        "Model training & customization",
        (
            Entry("Training jobs", "jobs", "Training > Training jobs"),
            Entry("Hyperparameter tuning jobs", "hyper-tuning-jobs", "Training > Hyperparameter tuning jobs"),
            Entry("Training plans"),
        ),
        "Training",
    ),
    Section(
        "Deployments & inference",
        (
            Entry("Models", "models", "Inference > Models"),
            Entry("Endpoint configurations", "endpointConfig", "Inference > Endpoint configurations"),
            Entry("Endpoints", "endpoints", "Inference > Endpoints"),
            Entry("Batch transform jobs", "transform-jobs", "Inference > Batch transform jobs"),
        ),
        "Inference",
    ),
    Section("Model governance", ()),
    Section("AWS Marketplace resources", (Entry("Marketplace model packages"),)),
)

# On AWS these are consoles of their own.
BESIDE = (
    Section("S3", (Entry("Buckets", "s3"),)),
    Section("CloudWatch", (Entry("Log groups", "logs"), Entry("Metrics", "metrics"), Entry("Alarms", "alarms"))),
    Section("IAM", (Entry("Roles", "roles"),)),
    Section("Billing", (Entry("Bill", "bill"), Entry("Budgets", "budgets"))),
    Section("Not on AWS", (Entry("Mailbox", "mail"),)),
)

LABELS = {entry.path: entry for section in (*MENU, *BESIDE) for entry in section.entries if entry.path}

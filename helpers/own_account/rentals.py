"""What a call to SageMaker rents: which machines, how many of them, and for how long at most.

Rates are AWS's on-demand rates of datasets/aws; spot machines, which cost less, are counted as if they were none.
"""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .. import costs, prices
from ..local_account import quotas

TABLE = Path(__file__).with_name("machines.csv")
DAY = 24 * 3600  # seconds that a job without a limit may take: AWS's default for training
COMPONENTS = {"endpoint": "hosting", "spot training": "training"}  # as quotas call them -> as the price list does
JOBS = {  # operation -> what it makes, and the member with its name
    "CreateTrainingJob": ("training job", "TrainingJobName"),
    "CreateProcessingJob": ("processing job", "ProcessingJobName"),
    "CreateTransformJob": ("transform job", "TransformJobName"),
    "CreateHyperParameterTuningJob": ("hyper parameter tuning job", "HyperParameterTuningJobName"),
}
ENDPOINTS = ("CreateEndpoint", "UpdateEndpoint", "RegisterScalableTarget")
NOTEBOOKS = ("CreateNotebookInstance", "StartNotebookInstance")
ENDS = {  # operation -> what it ends, and the member with its name
    "DeleteEndpoint": ("endpoint", "EndpointName"),
    "StopNotebookInstance": ("notebook instance", "NotebookInstanceName"),
    "DeleteNotebookInstance": ("notebook instance", "NotebookInstanceName"),
}


class UnknownMachines(Exception):
    """A request does not say which machines it rents, or says it in a way that the course does not use."""


@dataclass(frozen=True)
class Machines:
    """Some machines of one type."""

    component: str  # "training", "processing", "transform", "hosting" or "notebook", as the price list calls it
    type: str  # "ml.m5.xlarge"
    count: int

    def usd_per_hour(self, region):
        """Return what they cost together; raises prices.NoRate if we do not know."""
        return self.count * prices.rate(self.type, self.component, region).usd_per_hour

    def __str__(self):
        return f"{self.count} × {self.type}"


@dataclass(frozen=True)
class Rental:
    """Machines that a thing of the learner's has."""

    kind: str  # "training job"
    name: str
    machines: tuple  # of Machines
    seconds: float | None = None  # how long at most; None: until somebody ends it
    scaled: tuple = ()  # (variant, how many machines Auto Scaling may give it)

    def usd_per_hour(self, region):
        """Return what it costs by the hour; raises prices.NoRate if we do not know."""
        return sum(each.usd_per_hour(region) for each in self.machines)

    def known(self, region):
        """Return how we know what it costs, as words: "price of 2026-09-24"; raises prices.NoRate if we do not."""
        found = [costs.dated(prices.rate(each.type, each.component, region)) for each in self.machines]
        return " and ".join(dict.fromkeys(found))

    def __str__(self):
        return f"{self.kind} {self.name}"


@cache
def of_chapters():
    """Return the rows of machines.csv: chapter, component, instance_type, and how many at the same time at most."""
    with TABLE.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@cache
def listed():
    """Return the types of machines that chapters rent, by component."""
    found: dict = {}
    for row in of_chapters():
        component = COMPONENTS.get(row["component"], row["component"])
        found.setdefault(component, set()).add(row["instance_type"])
    return {component: sorted(types) for component, types in found.items()}


def of_call(operation, request, ask, scaled=None):
    """Return the Rental that a call begins or changes, or None if it rents nothing.

    `ask(operation, **members)` asks SageMaker what the request leaves out: an endpoint's configuration, for one.
    `scaled` has, by endpoint, how many machines Auto Scaling may give each variant already.
    Raises UnknownMachines.
    """
    if operation in JOBS:
        kind, name = JOBS[operation]
        machines, seconds = _of_job(operation, request)
        return Rental(kind, request[name], machines, seconds)
    if operation in NOTEBOOKS:
        name = request["NotebookInstanceName"]
        asked = request if "InstanceType" in request else ask("DescribeNotebookInstance", NotebookInstanceName=name)
        return Rental("notebook instance", name, (Machines("notebook", asked["InstanceType"], 1),))
    if operation in ENDPOINTS and request.get("ServiceNamespace", "sagemaker") == "sagemaker":
        return _of_endpoint(operation, request, ask, scaled or {})
    return None


def of_config(config, counts=()):
    """Return the machines of an endpoint configuration, at most; `counts` has more than its own, by variant.

    A serverless variant has no machine, and is billed by the request.
    """
    found = []
    for variant in [*config.get("ProductionVariants", []), *config.get("ShadowProductionVariants", [])]:
        if "ServerlessConfig" in variant:
            if variant["ServerlessConfig"].get("ProvisionedConcurrency"):
                raise UnknownMachines("a serverless variant with ProvisionedConcurrency, billed while it stands")
            continue
        if "InstanceType" not in variant:
            raise UnknownMachines(f"variant {variant.get('VariantName')} of an endpoint names no instance type")
        most = variant.get("ManagedInstanceScaling", {}).get("MaxInstanceCount", 0)
        scaled = dict(counts).get(variant["VariantName"], 0)
        count = max(variant.get("InitialInstanceCount", 0), most, scaled)
        found.append(Machines("hosting", variant["InstanceType"], count))
    return tuple(found)


def _of_job(operation, request):
    """Return a job's machines and the seconds that it may have them at most; None if nothing limits it."""
    rules = [*request.get("DebugRuleConfigurations", []), *request.get("ProfilerRuleConfigurations", [])]
    if any("InstanceType" in rule for rule in rules):
        raise UnknownMachines("a training job whose rules have machines of their own")
    if operation != "CreateHyperParameterTuningJob":
        return _machines(request), _seconds(request)
    definitions = [request.get("TrainingJobDefinition"), *request.get("TrainingJobDefinitions", [])]
    definitions = [each for each in definitions if each]
    machines = tuple(dict.fromkeys(one for each in definitions for one in _machines(each)))
    if len(machines) != 1:
        raise UnknownMachines("a tuning job whose training jobs have machines of several types")
    jobs = request["HyperParameterTuningJobConfig"]["ResourceLimits"].get("MaxNumberOfTrainingJobs")
    if jobs is None:
        raise UnknownMachines("a tuning job without MaxNumberOfTrainingJobs")
    return machines, jobs * max(_seconds(each) for each in definitions)


def _machines(request):
    """Return the machines of a job's request."""
    by_type = {COMPONENTS.get(component, component): types for component, types in quotas.of_job(request).items()}
    if not by_type:
        raise UnknownMachines("a job that names no instance type where the course's jobs have it")
    return tuple(Machines(part, name, count) for part, types in by_type.items() for name, count in types.items())


def _seconds(request):
    """Return how long a job may have its machines: AWS limits a training job to a day, a transform job not at all."""
    if "TransformResources" in request:
        return None
    kept = request.get("ResourceConfig", {}).get("KeepAlivePeriodInSeconds", 0)  # a warm pool is billed afterwards
    return request.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", DAY) + kept


def _of_endpoint(operation, request, ask, scaled):
    more = {}
    if operation == "RegisterScalableTarget":
        parts = request["ResourceId"].split("/")  # "endpoint/me-flights/variant/only"
        if len(parts) != 4 or parts[0] != "endpoint":
            raise UnknownMachines(f"a scalable target that is no variant of an endpoint, {request['ResourceId']}")
        name, more = parts[1], {parts[3]: request["MaxCapacity"]} if "MaxCapacity" in request else {}
    else:
        name = request["EndpointName"]
    config = request.get("EndpointConfigName") or ask("DescribeEndpoint", EndpointName=name)["EndpointConfigName"]
    counts = {} if operation == "CreateEndpoint" else scaled.get(name, {}) | more
    machines = of_config(ask("DescribeEndpointConfig", EndpointConfigName=config), counts)
    return Rental("endpoint", name, machines, scaled=tuple(counts.items()))

"""Quotas: how many machines AWS lets a new account have, and the refusal of more where the learner asks for it.

What the tables of the course (datasets/aws/quotas.csv) have no row for is not limited, since nobody told us its limit.
"""

from collections import Counter
from dataclasses import dataclass

from .. import prices
from .errors import AwsError
from .kinds import BY_NAME

USAGES = {  # as the table calls a component -> as AWS names its quotas
    "notebook": "notebook instance usage",
    "training": "training job usage",
    "spot training": "spot training job usage",
    "processing": "processing job usage",
    "endpoint": "endpoint usage",
    "transform": "transform job usage",
}
ACROSS = {  # component -> the quota of all its instances together
    "training": "instances across all training jobs",
    "spot training": "instances across all spot training jobs",
    "processing": "instances across all processing jobs",
    "endpoint": "instances across active endpoints",
    "transform": "instances across all transform jobs",
}
WITHIN = {  # component -> the quota of the instances of one of them
    "training": "instances per training job",
    "spot training": "instances per training job",
    "processing": "instances per processing job",
    "endpoint": "instances per endpoint",
}


class ResourceLimitExceeded(AwsError):
    """The account would have more than its quota allows."""

    code = "ResourceLimitExceeded"


@dataclass(frozen=True)
class Quota:
    code: str  # "L-611FA074"
    name: str  # "ml.m5.large for training job usage"
    value: float | None  # AWS's default; None if we do not know it
    is_of_instances: bool  # of a type, or of all types: such quotas can be raised


def all_quotas():
    """Return the quotas that Service Quotas has, in the order of their names."""
    rows = [row for row in prices.table("quotas.csv") if row["quota_code"] != "fixed"]
    return sorted((_quota(row) for row in rows), key=lambda quota: quota.name)


def _quota(row):
    value = float(row["aws_default"]) if row["aws_default"] else None
    return Quota(row["quota_code"], _name(row["instance_type"], row["quota"]), value, row["instance_type"] != "")


def _name(instance_type, quota):
    if quota in USAGES:
        return f"{instance_type} for {USAGES[quota]}"
    return f"Number of {quota}" if instance_type == "all" else quota[0].upper() + quota[1:]


def are_enforced(account):
    """Tell whether the account refuses what exceeds a quota."""
    return bool((account.records.get("Quotas", "", "enforced") or {}).get("Enforced"))


def enforce(account, wanted):
    """Refuse from now on what exceeds a quota, or let it be again."""
    account.records.put("Quotas", "", "enforced", {"Enforced": wanted})


def refuse(account, region, operation, request):
    """Raise ResourceLimitExceeded if a request would exceed a quota, where quotas are enforced."""
    if operation not in WANTED or not are_enforced(account):
        return
    limits = {quota.name: quota.value for quota in all_quotas()}
    for component, machines in WANTED[operation](account, region, request).items():
        used, wanted = _used(account, region, component), sum(machines.values())
        for instance_type, count in machines.items():
            _compare(limits, _name(instance_type, component), used[instance_type], count)
        _compare(limits, _name("all", ACROSS.get(component, component)), used.total(), wanted)
        _compare(limits, _name("", WITHIN.get(component, component)), 0, wanted)


def _compare(limits, name, used, wanted):
    limit = limits.get(name)
    if limit is not None and wanted > 0 and used + wanted > limit:
        raise ResourceLimitExceeded(
            f"The account-level service limit '{name}' is {limit:g} Instances, with current utilization of {used} "
            f"Instances and a request delta of {wanted} Instances. Please contact AWS support to request an increase "
            "for this limit."
        )


def _used(account, region, component):
    """Return the machines that a component has at this moment, by their type."""
    if component == "endpoint":
        endpoints = account.records.all("Endpoint", region)
        return sum((of_config(record.get("_Config") or {}) for record in endpoints if _runs(record)), Counter())
    if component == "notebook":
        return Counter(one["InstanceType"] for one in account.records.all("NotebookInstance", region) if _up(one))
    kind = {"processing": "ProcessingJob", "transform": "TransformJob"}.get(component, "TrainingJob")
    records = [
        record for record in account.records.all(kind, region)
        if record[BY_NAME[kind].status] in BY_NAME[kind].busy and component in of_job(record)
    ]  # fmt: skip
    return sum((of_job(record)[component] for record in records), Counter())


def _runs(endpoint):
    return endpoint["EndpointStatus"] != "Failed"


def _up(notebook):
    return notebook["NotebookInstanceStatus"] not in ("Stopped", "Failed", "Deleting")


def of_job(request):
    """Return the machines of a job's request or record, by component and type."""
    if "ProcessingResources" in request:
        component, machines = "processing", request["ProcessingResources"].get("ClusterConfig", {})
    elif "TransformResources" in request:
        component, machines = "transform", request["TransformResources"]
    else:
        component = "spot training" if request.get("EnableManagedSpotTraining") else "training"
        machines = request.get("ResourceConfig", {})
    count = machines.get("InstanceCount", 0)
    return {component: Counter({machines["InstanceType"]: count})} if "InstanceType" in machines else {}


def _of_tuning(account, region, request):
    """Return the machines of all the training jobs that a tuning job runs at the same time."""
    parallel = request["HyperParameterTuningJobConfig"]["ResourceLimits"]["MaxParallelTrainingJobs"]
    definitions = [request.get("TrainingJobDefinition"), *request.get("TrainingJobDefinitions", [])]
    found = {}
    for definition in filter(None, definitions):  # of several, each may have all the jobs
        for component, machines in of_job(definition).items():
            many = Counter({kind: count * parallel for kind, count in machines.items()})
            found[component] = found.get(component, Counter()) | many
    return found


def of_config(config):
    """Return the machines of an endpoint configuration by their type."""
    variants = [variant for variant in config.get("ProductionVariants", []) if "InstanceType" in variant]
    counts = Counter()
    for variant in variants:
        counts[variant["InstanceType"]] += variant.get("InitialInstanceCount", 0)
    return counts


def _of_endpoint(account, region, request):
    config = account.records.get("EndpointConfig", region, request["EndpointConfigName"]) or {}
    return {"endpoint": of_config(config)}


def _of_more(account, region, request):
    """Return the machines by which UpdateEndpointWeightsAndCapacities makes an endpoint larger."""
    record = account.records.get("Endpoint", region, request["EndpointName"]) or {}
    more = Counter()
    wanted = {one["VariantName"]: one.get("DesiredInstanceCount") for one in request["DesiredWeightsAndCapacities"]}
    for variant in (record.get("_Config") or {}).get("ProductionVariants", []):
        if "InstanceType" in variant and wanted.get(variant["VariantName"]):
            difference = wanted[variant["VariantName"]] - variant.get("InitialInstanceCount", 0)
            more[variant["InstanceType"]] += max(0, difference)
    return {"endpoint": more}


def _of_notebook(account, region, request):
    record = account.records.get("NotebookInstance", region, request["NotebookInstanceName"]) or {}
    kind = request.get("InstanceType") or record.get("InstanceType")
    return {"notebook": Counter({kind: 1})} if kind else {}


WANTED = {  # operation -> the machines that it asks for, by component and type
    "CreateTrainingJob": lambda account, region, request: of_job(request),
    "CreateProcessingJob": lambda account, region, request: of_job(request),
    "CreateTransformJob": lambda account, region, request: of_job(request),
    "CreateHyperParameterTuningJob": _of_tuning,
    "CreateEndpoint": _of_endpoint,
    "UpdateEndpoint": _of_endpoint,  # while it is updated, an endpoint has the machines of both configurations
    "UpdateEndpointWeightsAndCapacities": _of_more,
    "CreateNotebookInstance": _of_notebook,
    "StartNotebookInstance": _of_notebook,
}

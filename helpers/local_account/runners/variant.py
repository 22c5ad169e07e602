"""A production variant: a model, its share of the requests, and the instances that serve it."""

import random

from . import model_data
from .instance import Instance

VOLUME = 30  # GB, where a variant names none
STARTUP = 240  # seconds in which a container must be healthy, where a variant names none
NO_PING = (
    "The {container} container for production variant {variant} did not pass the ping health check. "
    "Please check CloudWatch logs for this endpoint."
)


class Variant:
    """A production variant on instances."""

    def __init__(self, account, record, config, model, fleet):
        self.account, self.record, self.config, self.model, self.fleet = account, record, config, model, fleet
        self.name, self.weight = config["VariantName"], config.get("InitialVariantWeight", 1.0)
        self.container = model_data.hostname(model)
        strategy = config.get("RoutingConfig", {}).get("RoutingStrategy", "RANDOM")
        self.route = least_busy if strategy == "LEAST_OUTSTANDING_REQUESTS" else random.choice
        self.since = account.clock.now()
        self.instances = []

    @property
    def health_check(self):
        """The seconds within which a container must be healthy."""
        return self.config.get("ContainerStartupHealthCheckTimeoutInSeconds", STARTUP)

    @property
    def volume(self):
        """The size in GB of an instance's volume."""
        return self.config.get("VolumeSizeInGB", VOLUME)

    @property
    def unhealthy(self):
        """What a deployment's failure says when a container was not healthy in time."""
        return NO_PING.format(container=self.container, variant=self.name)

    def environment(self):
        """Return the variables that the model gives to its container."""
        return model_data.container(self.model).get("Environment", {})

    def log_stream(self, instance):
        """Return the group and the name of an instance's log."""
        return f"/aws/sagemaker/Endpoints/{self.record['EndpointName']}", f"{self.name}/{instance.id}"

    def new(self, count):
        """Return new instances, which are not started yet."""
        return [Instance(self) for _ in range(count)]

    def first(self, again=False):
        """Return the instances to begin with."""
        return self.new(self.config["InitialInstanceCount"])

    def started(self):
        """Hear that the first instances are healthy."""

    def pick(self, most=None):
        """Return a healthy instance with fewer requests than `most`, or None; the fleet's lock is held."""
        healthy = [each for each in self.instances if each.port and (most is None or each.outstanding < most)]
        return self.route(healthy) if healthy else None

    def more(self, wanted):
        """Return the new instances that a wanted capacity needs."""
        return self.new(wanted.get("DesiredInstanceCount", 0) - len(self.instances))

    def change(self, wanted, new):
        """Take on another weight and capacity, and the new instances; return those that are to go."""
        self.weight = wanted.get("DesiredWeight", self.weight)
        instances = [*self.instances, *new]
        count = wanted.get("DesiredInstanceCount", len(instances))
        self.instances = instances[:count]
        self.config = {**self.config, "InitialInstanceCount": len(self.instances), "InitialVariantWeight": self.weight}
        return instances[count:]

    def measured(self, instance, setup):
        """Return what CloudWatch is told of an invocation beside what it is told of every one."""
        return {"InvocationsPerInstance": (1 / max(1, len(self.instances)), "None")}

    def used(self, seconds):
        """Return the GB-seconds that an invocation is billed for; instances are billed by the hour instead."""
        return 0

    def described(self):
        """Return the variant as DescribeEndpoint shows it."""
        image = {"SpecifiedImage": model_data.container(self.model)["Image"], "ResolutionTime": self.since}
        return {
            "VariantName": self.name,
            "DeployedImages": [image],
            "CurrentWeight": self.weight,
            "DesiredWeight": self.weight,
            **self.capacity(),
            **({"RoutingConfig": self.config["RoutingConfig"]} if "RoutingConfig" in self.config else {}),
        }

    def capacity(self):
        """Return what DescribeEndpoint says of the variant's size."""
        return {"CurrentInstanceCount": len(self.instances), "DesiredInstanceCount": len(self.instances)}


def least_busy(instances):
    """Return the instance with the fewest requests that it has not answered."""
    return min(instances, key=lambda instance: instance.outstanding)

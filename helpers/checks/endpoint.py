"""Chapter 9: an endpoint that two models share, and one that is gone but can come back."""

from .. import belongings
from .account import described
from .verdict import done, not_yet


def two_variants(course):
    """Look for an endpoint whose requests are shared by two models, one to nine."""
    wanted = "an endpoint in service that sends 10% to small and 90% to tuned"
    found = "none of your endpoints is in service"
    for thing in belongings.of(course, belongings.ENDPOINT, StatusEquals="InService"):
        endpoint = belongings.client("sagemaker").describe_endpoint(EndpointName=thing.name)
        weights = {v["VariantName"]: v["CurrentWeight"] for v in endpoint["ProductionVariants"]}
        shares = {name: f"{weight / (sum(weights.values()) or 1):.0%}" for name, weight in weights.items()}
        found = f"{thing.name} sends " + " and ".join(f"{share} to {name}" for name, share in shares.items())
        if shares == {"small": "10%", "tuned": "90%"}:
            return done(found)
    return not_yet(found, wanted)


def stopped_paying(course):
    """Look for no endpoint any more, but for all that is needed to bring it back."""
    wanted = "no endpoint, and a configuration whose models are there"
    if standing := belongings.of(course, belongings.ENDPOINT):
        return not_yet(f"the endpoint {standing[0].name} is {standing[0].status} and costs money", wanted)
    models = {model.name for model in belongings.of(course, belongings.MODEL)}
    configs = belongings.of(course, belongings.CONFIG)
    for config in reversed(configs):
        record = described("describe_endpoint_config", EndpointConfigName=config.name)
        if {variant["ModelName"] for variant in record["ProductionVariants"]} <= models:
            return done(f"no endpoint stands, and {config.name} with its model can bring one back")
    found = f"no endpoint stands; there are {len(configs)} configurations and {len(models)} models"
    return not_yet(found, wanted)

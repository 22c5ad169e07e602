"""Endpoint configurations and endpoints: written down, started, updated while they serve, deleted."""

from ... import lifecycle
from ...errors import ValidationException
from ...kinds import BY_NAME

MODEL, CONFIG, ENDPOINT = (BY_NAME[name] for name in ("Model", "EndpointConfig", "Endpoint"))


def create_endpoint_config(account, region, request):
    """Write an endpoint configuration down: which models on which machines."""
    lifecycle.refuse_taken(account, CONFIG, region, request)
    for variant in request["ProductionVariants"]:
        if "ModelName" in variant:
            lifecycle.find(account, MODEL, region, variant["ModelName"])
    account.hosting.refuse_config(request)
    return {"EndpointConfigArn": lifecycle.create(account, CONFIG, region, request)["EndpointConfigArn"]}


def create_endpoint(account, region, request):
    """Start the machines of an endpoint."""
    lifecycle.refuse_taken(account, ENDPOINT, region, request)
    _config(account, region, request)
    account.hosting.refuse_endpoint(request)
    record = lifecycle.create(account, ENDPOINT, region, request)
    account.hosting.create(record)
    return {"EndpointArn": record["EndpointArn"]}


def update_endpoint(account, region, request):
    """Bring an endpoint to another configuration while it serves."""
    name = request["EndpointName"]
    with account.records.lock:
        record = lifecycle.find(account, ENDPOINT, region, name)
        config = _config(account, region, request)
        _refuse_in_progress(record)
        if record["EndpointStatus"] in ENDPOINT.finished:
            status = record["EndpointStatus"]
            raise ValidationException(f'Cannot update endpoint "{record["EndpointArn"]}" in status {status}.')
        account.hosting.refuse_endpoint(request)
        account.hosting.refuse_update(record, config, request)
        record = account.records.change(
            "Endpoint", region, name, EndpointStatus="Updating", LastModifiedTime=account.clock.now()
        )
    account.hosting.update(record, config, request)
    return {"EndpointArn": record["EndpointArn"]}


def update_endpoint_weights(account, region, request):
    """Change how the requests are shared among the variants, and how many machines each has."""
    record = lifecycle.find(account, ENDPOINT, region, request["EndpointName"])
    _refuse_in_progress(record)
    account.hosting.update_weights(record, request["DesiredWeightsAndCapacities"])
    return {"EndpointArn": record["EndpointArn"]}


def delete_endpoint(account, region, request):
    """Stop the machines of an endpoint and forget it; its configuration and its models stay."""
    name = request["EndpointName"]
    with account.records.lock:
        record = lifecycle.find(account, ENDPOINT, region, name)
        _refuse_in_progress(record)
        record = account.records.change("Endpoint", region, name, EndpointStatus="Deleting")
    account.hosting.delete(record)


def _refuse_in_progress(record):
    if lifecycle.is_busy(ENDPOINT, record):
        raise ValidationException(f'Cannot update in-progress endpoint "{record["EndpointArn"]}".')


def _config(account, region, request):
    """Return the configuration of an endpoint that is to be, whose models are there."""
    config = lifecycle.find(account, CONFIG, region, request["EndpointConfigName"])
    for variant in config["ProductionVariants"]:
        lifecycle.find(account, MODEL, region, variant["ModelName"])
    return config


OPERATIONS = {
    "CreateEndpointConfig": create_endpoint_config,
    "CreateEndpoint": create_endpoint,
    "UpdateEndpoint": update_endpoint,
    "UpdateEndpointWeightsAndCapacities": update_endpoint_weights,
    "DeleteEndpoint": delete_endpoint,
}

"""botocore's installed service model: the operations of SageMaker, their requests and their answers."""

from functools import cache

import botocore.session


@cache
def service_model(service):
    """Return botocore's model of a service, e.g. "sagemaker"."""
    return botocore.session.get_session().get_service_model(service)


@cache
def operation(name, service="sagemaker"):
    """Return the model of an operation, or None if AWS has none of this name."""
    model = service_model(service)
    return model.operation_model(name) if name in model.operation_names else None


def cut(value, shape):
    """Cut a value to a shape: members that the shape does not have, and those that are None, fall away."""
    match shape.type_name:
        case "structure":
            return {
                name: cut(value[name], member)
                for name, member in shape.members.items()
                if name in value and value[name] is not None
            }
        case "list":
            return [cut(item, shape.member) for item in value]
        case "map":
            return {name: cut(item, shape.value) for name, item in value.items()}
        case _:
            return value

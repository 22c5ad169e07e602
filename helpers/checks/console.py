"""Chapter 1: records that a call has made."""

from .account import described, tags_missing
from .verdict import ANEW, done, not_yet

IMAGE = "sagemaker-xgboost:3.2-0"


def second_model(course):
    """Look for a second model with the image of the first."""
    name = course.name("second-model")
    wanted = f"a model {name} with the image of the first one and the tags of the course"
    model = described("describe_model", ModelName=name)
    if model is None:
        return not_yet(f"there is no model {name}", wanted, "Create it with create_model.")
    image = model.get("PrimaryContainer", {}).get("Image", "not in a primary container")
    if IMAGE not in image:
        return not_yet(f"the model {name} is there, but its image is {image}", wanted)
    if missing := tags_missing(course, model["ModelArn"]):
        return not_yet(f"the model {name} is there, but without {missing}", wanted, ANEW)
    return done(f"the model {name} is there, with its image and its tags")


def first_config(course):
    """Look for an endpoint configuration that puts the first model on a machine."""
    name, model = course.name("first-config"), course.name("first-model")
    wanted = f"an endpoint configuration {name} that puts {model} on 1 × ml.m5.large, with the tags of the course"
    config = described("describe_endpoint_config", EndpointConfigName=name)
    if config is None:
        found = f"there is no endpoint configuration {name}"
        return not_yet(found, wanted, "Create it with create_endpoint_config.")
    variant = config["ProductionVariants"][0]
    found = variant.get("ModelName"), variant.get("InstanceType"), variant.get("InitialInstanceCount")
    if found != (model, "ml.m5.large", 1):
        return not_yet(f"{name} puts {found[0]} on {found[2]} × {found[1]}", wanted)
    if missing := tags_missing(course, config["EndpointConfigArn"]):
        return not_yet(f"{name} is there, but without {missing}", wanted, ANEW)
    return done(f"{name} would run {model} on 1 × ml.m5.large")

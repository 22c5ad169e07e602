"""Requests generated from botocore's model of a service: some as they should be, some broken in places."""

import string
from datetime import UTC, datetime

import regex

ROLE = "arn:aws:iam::000000000000:role/SageMakerCourseRole"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0"
# What a pattern of the model may want; the first that matches it, and has the right length, is taken.
CANDIDATES = (
    *("trial-1", "a", "1", "trial", "s3://trial-bucket/some/key", "https://example.com/a.git", "ml.m5.large"),
    *(
        ROLE,
        "arn:aws:sagemaker:us-east-1:000000000000:training-job/trial-1",
        "arn:aws:sns:us-east-1:000000000000:trial",
    ),
    *("arn:aws:kms:us-east-1:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab", IMAGE, "/opt/ml/trial"),
    *("$", "$[0:3]"),
    *("notebook-al2023-v1", "text/csv", "sg-12345678", "subnet-12345678", "000000000000", "2026-01-01T00:00:00Z"),
    *("1.0",),
    *("us-east-1", "vpc-12345678", "fs-12345678", "d-trial1", "trial@example.com", "+15550100", "{}", "aGVsbG8="),
    *("P1D",),
    *("arn:aws:s3:::trial-bucket", "trial-bucket", "all", "cron(0 * ? * * *)", "rate(1 day)", "12345678", "trial.1"),
    *("i-12345678", "12345678-1234-1234-1234-123456789012", "1.0.0", "aaaaaaaaaaaa"),
    *("vol-12345678", "eni-12345678", "arn:aws:sagemaker:us-east-1:000000000000:partner-app/app-AAAAAAAAAAAA"),
    *("arn:aws:lambda:us-east-1:000000000000:function:trial", "app-trial", "img-trial", "a" * 32, "a" * 64, "a" * 128),
)
STRANGE = (None, 7, -1, 0.5, "", " ", [], {}, True, "x" * 3000, 1e30, 10**25, "ü\u0000", "../../etc", "<b>'\"&;$(id)")


class CannotBeMade(Exception):
    """No candidate fits the pattern of a string."""


def request(shape, random, broken=0.0, optional=0.3, depth=0):
    """Return a value of a shape; `broken` is the share of places that get something strange instead."""
    if broken and random.random() < broken:
        return random.choice(STRANGE)
    deeper = {"random": random, "broken": broken, "optional": optional, "depth": depth + 1}
    match shape.type_name:
        case "structure":
            return _structure(shape, **deeper)
        case "list":
            least = shape.metadata.get("min", 0)
            count = min(shape.metadata.get("max", 2), max(least, random.randint(0, 2)))
            return [request(shape.member, **deeper) for _ in range(count)]
        case "map":
            least = shape.metadata.get("min", 0)
            count = max(least, random.randint(0, 2))
            return {_text(shape.key, random, number): request(shape.value, **deeper) for number in range(count)}
        case "string":
            return _text(shape, random)
        case "integer" | "long":
            least, most = shape.metadata.get("min", 0), shape.metadata.get("max", 10**6)
            return random.choice([least, most, min(most, max(least, random.choice([1, 2, 5, 60])))])
        case "float" | "double":
            return random.random()
        case "boolean":
            return random.random() < 0.5
        case "timestamp":
            return datetime.fromtimestamp(random.choice([0, 1.5e9, 1.8e9]), UTC)
        case "blob":
            return b"a,b\n1,2\n"
    raise CannotBeMade(f"{shape.name} is a {shape.type_name}")


def _structure(shape, random, broken, optional, depth):
    names = list(shape.members)
    if getattr(shape, "is_tagged_union", False):
        chosen = {random.choice(names)}
    else:
        chosen = {name for name in names if depth < 6 and random.random() < optional} | set(shape.required_members)
    made = {}
    for name in names:
        if name in chosen and not (broken and random.random() < broken):
            try:
                made[name] = request(shape.members[name], random, broken, optional, depth)
            except CannotBeMade:
                if name in shape.required_members:
                    raise
    return made


def _text(shape, random, number=0):
    if getattr(shape, "enum", None):
        return random.choice(shape.enum)
    least, most = shape.metadata.get("min", 0), shape.metadata.get("max", 10**6)
    pattern = shape.metadata.get("pattern")
    named = [ROLE] if "Role" in shape.name else [IMAGE] if "Image" in shape.name else []
    letters = "".join(random.choice(string.ascii_lowercase) for _ in range(8))
    candidates = [*named, *random.sample(CANDIDATES, len(CANDIDATES)), letters, *_arns(pattern or "")]
    if number:
        candidates = [f"k{number}", *candidates]
    for candidate in candidates:
        if least <= len(candidate) <= most and _fits(pattern, candidate):
            return candidate
    if least > 1 and _fits(pattern, "a" * least):
        return "a" * least
    raise CannotBeMade(f"{shape.name}: {pattern}")


def _arns(pattern):
    """Return ARNs of the types of resource that a pattern names."""
    for kind in regex.findall(r"([a-z]+(?:-[a-z]+)*)(?:\|[a-z|-]+)?\)?\\?/", pattern):
        for name in ("trial-1", "app-trial", "a" * 12, "trial/execution/aaaaaaaaaaaa", "Model/trial/1"):
            yield f"arn:aws:sagemaker:us-east-1:000000000000:{kind}/{name}"


def _fits(pattern, text):
    if not pattern:
        return True
    try:
        return bool(regex.fullmatch(pattern, text, timeout=1))
    except (regex.error, TimeoutError):
        return True

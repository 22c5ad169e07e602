"""Images map to runtimes: what AWS's scikit-learn and XGBoost images hold, the course's environment holds as well."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Runtime:
    """What the local account runs in place of an image."""

    repository: str  # "sagemaker-xgboost"
    tag: str  # "3.2-0"
    package: str  # the package that the image is made for, whose version the course pins


RUNTIMES = [
    Runtime("sagemaker-scikit-learn", "1.9-0-cpu-py3", "scikit-learn"),
    Runtime("sagemaker-xgboost", "3.2-0", "xgboost"),
]

# An image of another registry is not to be had on AWS: no such repository, or no permission to pull from it.
CANNOT_PULL = (
    "ClientError: Cannot pull algorithm container. Either the image does not exist or its permissions are incorrect."
)

# The accounts that hold both images, by region, as in the SDK's sagemaker/core/image_uri_config.
REGISTRIES = {
    "af-south-1": "510948584623",
    "ap-east-1": "651117190479",
    "ap-northeast-1": "354813040037",
    "ap-northeast-2": "366743142698",
    "ap-northeast-3": "867004704886",
    "ap-south-1": "720646828776",
    "ap-south-2": "628508329040",
    "ap-southeast-1": "121021644041",
    "ap-southeast-2": "783357654285",
    "ap-southeast-3": "951798379941",
    "ap-southeast-4": "106583098589",
    "ca-central-1": "341280168497",
    "ca-west-1": "190319476487",
    "cn-north-1": "450853457545",
    "cn-northwest-1": "451049120500",
    "eu-central-1": "492215442770",
    "eu-central-2": "680994064768",
    "eu-north-1": "662702820516",
    "eu-south-1": "978288397137",
    "eu-south-2": "104374241257",
    "eu-west-1": "141502667606",
    "eu-west-2": "764974769150",
    "eu-west-3": "659782779980",
    "il-central-1": "898809789911",
    "me-central-1": "272398656194",
    "me-south-1": "801668240914",
    "sa-east-1": "737474898029",
    "us-east-1": "683313688378",
    "us-east-2": "257758044811",
    "us-gov-east-1": "237065988967",
    "us-gov-west-1": "414596584902",
    "us-iso-east-1": "833128469047",
    "us-isob-east-1": "281123927165",
    "us-isof-east-1": "108575199400",
    "us-isof-south-1": "124985052026",
    "us-west-1": "746614075791",
    "us-west-2": "246618743249",
}

# "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0"
ECR_PATH = re.compile(
    r"(?P<registry>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.[a-z0-9.]+/(?P<repository>[^:@]+)"
    r"(?::(?P<tag>[^:@/]+))?(?:@(?P<digest>.+))?"
)


def is_ecr_path(image):
    """Tell whether an image is named as SageMaker wants it, by its path in Amazon ECR."""
    return bool(ECR_PATH.fullmatch(image))


def runtime(image, region):
    """Return the runtime of an image for a job in a region, or None if there is none."""
    path = ECR_PATH.fullmatch(image)
    if not path or path["digest"] or path["region"] != region or REGISTRIES.get(region) != path["registry"]:
        return None
    named = (path["repository"], path["tag"])
    return next((runtime for runtime in RUNTIMES if (runtime.repository, runtime.tag) == named), None)


def cannot_pull(image, region):
    """Return why a job fails whose image has no runtime: in AWS's words, then in the local account's own."""
    if region not in REGISTRIES:
        return f"{CANNOT_PULL} (The local account knows no registry of AWS's images in {region}.)"
    known = " and ".join(f"{runtime.repository}:{runtime.tag}" for runtime in RUNTIMES)
    where = f"{REGISTRIES[region]}.dkr.ecr.{region}"
    return f"{CANNOT_PULL} (The local account has {known} of {where}, and not {image}.)"

"""What a request for a notebook instance must hold, and what the local account cannot honour and therefore refuses."""

import re

from ..errors import LocalLimit, ValidationException, refuse

PLATFORM = "notebook-al2023-v1"  # what an instance gets that asks for none, since 2026-05-15
RETIRED = re.compile(r"notebook-al[12]-v\d")  # Amazon Linux 1 and 2: none is created or started since 2026-07-01
NOT_ON_AL2023 = re.compile(r"ml\.(p2|p3|p3dn|inf1|g3)\.")
ACCELERATED = re.compile(r"ml\.(p|g|trn|inf)\d")  # "ml.g5.xlarge"

ABSENT = {
    "SubnetId": "virtual private clouds",
    "SecurityGroupIds": "virtual private clouds",
    "KmsKeyId": "keys to encrypt with",
    "AcceleratorTypes": "elastic inference accelerators, which AWS has ended",
    "DisassociateAcceleratorTypes": "elastic inference accelerators, which AWS has ended",
}


def check(request, what):
    """Raise what AWS says to a request that cannot work, or what of it the local account cannot honour."""
    platform, machine = request.get("PlatformIdentifier", PLATFORM), request.get("InstanceType", "")
    refuse_platform(platform)
    if NOT_ON_AL2023.match(machine):
        raise ValidationException(f"{machine} is not supported by the platform identifier ({platform}).")
    if ACCELERATED.match(machine):
        raise LocalLimit(f"{machine} has accelerators; this computer does not stand in for them.")
    refuse(request, ABSENT, what)
    if request.get("DirectInternetAccess") == "Disabled":
        raise LocalLimit("The local account cannot cut a notebook instance off the network: it has no VPC.")
    if request.get("IpAddressType", "ipv4") != "ipv4":
        raise LocalLimit("The local account's notebook instances are reached by IPv4 only.")
    service = request.get("InstanceMetadataServiceConfiguration", {})
    if service.get("MinimumInstanceMetadataServiceVersion", "2") != "2":
        raise LocalLimit("The local account has no instance metadata service of version 1, only the minimum 2.")


def refuse_platform(platform):
    """Raise what AWS says to a platform that has ended."""
    if RETIRED.fullmatch(platform):
        raise ValidationException(f"Platform identifier ({platform}) is not supported for this service.")
    if platform != PLATFORM:
        raise LocalLimit(f"AWS's service model names {platform}, but nothing says what it is; there is {PLATFORM}.")

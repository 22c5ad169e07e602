"""The errors of CloudWatch, in its words."""

from ..errors import AwsError


class InvalidParameterValue(AwsError):
    """A parameter has a value that makes no sense."""

    code = "InvalidParameterValue"


class InvalidParameterCombination(AwsError):
    """Parameters do not go together."""

    code = "InvalidParameterCombination"


class ResourceNotFound(AwsError):
    """There is no alarm of this name."""

    code, status = "ResourceNotFound", 404


class InvalidNextToken(AwsError):
    """No list goes on here."""

    code = "InvalidNextToken"

"""The errors that the local account answers with: AWS's in AWS's words, its own limits unmistakably its own."""


class AwsError(Exception):
    """An error as AWS words it: a code, a message and an HTTP status."""

    code, status = "InternalFailure", 400

    def __init__(self, message, code=None, status=None, **members):
        super().__init__(message)
        self.message = message
        self.code = code or self.code
        self.status = status or self.status
        self.members = members  # further members of the error's shape, e.g. OriginalStatusCode of a ModelError


class ValidationException(AwsError):
    """The request breaks a rule of the service's model, or names what does not exist."""

    code = "ValidationException"


class ResourceInUse(AwsError):
    """The name is taken."""

    code = "ResourceInUse"


class NotHere(AwsError):
    """AWS has this operation; the local account does not, and says so."""

    code, status, slug = "NotImplemented", 501, "not-here"

    def __init__(self, what):
        super().__init__(f"{what} exists on AWS, but the local account does not have it. See {PAGE}#{self.slug}")


class LocalLimit(AwsError):
    """The local account has this operation, but cannot do what this request asks of it."""

    code, slug = "LocalLimit", "local-limits"

    def __init__(self, sentence):
        super().__init__(f"{sentence} See {PAGE}#{self.slug}")


class Refused(OSError):
    """The account refused a question, and its sentence says why."""

    def _render_traceback_(self):
        """Show the sentence alone in a notebook: the way to it would teach nothing."""
        return [f"{type(self).__name__}: {self}"]


PAGE = "book/local-account.md"


def refuse(request, absent, what):
    """Raise if a request has a member that cannot be honoured; `absent` says of each path what is not here."""
    for path, sentence in absent.items():
        value = request
        for member in path.split("."):
            value = value.get(member, {}) if isinstance(value, dict) else {}
        if value:
            raise LocalLimit(f"{what} asks for {path}; the local account does not have {sentence}.")

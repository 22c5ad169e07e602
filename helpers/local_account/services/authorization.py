"""Authorization: who may do what. Each service asks `check` before it does anything; it answers by IAM's policies.

Policies bind callers if the account was started with `course up --enforce-iam`. What SageMaker does in the name of a
role, for a job or an endpoint, is held against that role's policies in any case: see Iam.allows.
"""

from ..errors import AwsError
from . import permissions_needed, policy, s3_permissions

SETTING = ("Setting", "", "enforce-iam")
CODES = {  # the error code of a denial and its HTTP status, by service
    "s3": ("AccessDenied", 403),
    "iam": ("AccessDenied", 403),
    "sts": ("AccessDenied", 403),
    "cloudwatch": ("AccessDenied", 403),
    "monitoring": ("AccessDenied", 403),
    "sns": ("AuthorizationError", 403),
    "ec2": ("UnauthorizedOperation", 403),
    "sagemaker-runtime": ("AccessDeniedException", 403),
}
USUAL = ("AccessDeniedException", 400)


def check(request, service, operation, parameters):
    """Note what a call wants, for the record of calls, and raise if the account enforces IAM and denies it."""
    call = request.scope.get("course.call")
    if call is None:
        return  # a link in a letter, which nobody signs
    account = call.account
    call.operation, call.parameters = operation, parameters
    if service == "s3":
        needs = s3_permissions.needed(account, operation, parameters)
    else:
        needs = permissions_needed.needed(account, service, operation, parameters, call.region)
    call.asked = [(need.action, need.resource) for need in needs]
    if not account.authorization.enforced:
        return
    if service == "s3" and (missing := s3_permissions.of_missing(account, operation, parameters)):
        needs.append(missing)
    for need in needs:
        demand(request, service, need)


def demand(request, service, need):
    """Raise if the account enforces IAM and the caller lacks a permission."""
    call = request.scope.get("course.call")
    if call is None:
        return
    asked = (need.action, need.resource)
    if asked not in call.asked:
        call.asked.append(asked)
    if not call.account.authorization.enforced:
        return
    reason = call.account.authorization.denial(call, request, need)
    if reason:
        call.denied = call.denied or asked
        raise denied(service, call.who, need, reason)


def denied(service, who, need, reason):
    """Return the error of a denial, as the service words it."""
    resource = f' on resource: "{need.resource}"' if service == "s3" else f" on resource: {need.resource}"
    action = need.action.replace("sns:", "SNS:", 1) if service == "sns" else need.action
    where = "" if need.resource == "*" else resource
    sentence = f"User: {who} is not authorized to perform: {action}{where} {reason.format(action=action)}"
    if service == "ec2":
        sentence = f"You are not authorized to perform this operation. {sentence}"
    code, status = CODES.get(service, USUAL)
    return AwsError(sentence, code, status)


class Authorization:
    """Whether the account holds calls against the policies of the caller, and how it decides."""

    def __init__(self, account):
        self.account = account
        self.enforced = (account.records.get(*SETTING) or {"Enforced": False})["Enforced"]

    def enforce(self, wanted):
        """Hold calls against policies from now on, or do not; a restart keeps it."""
        self.account.records.put(*SETTING, {"Enforced": wanted})
        self.enforced = wanted

    def lets(self, role_arn, action, resource="*", context=None):
        """Tell whether a role may do something that only counts where IAM is enforced, such as writing a job's log."""
        if self.enforced:
            return self.account.iam.allows(role_arn, action, resource, context)
        self.account.calls.asked(role_arn, action, resource, True)
        return True

    def denial(self, call, request, need):
        """Return why a caller lacks a permission, as AWS's messages end, or None if they have it."""
        iam = self.account.iam
        role = self.account.records.get("IamRole", "", call.who.split("/")[1])
        if role is None:  # it was deleted, and its keys are good for nothing
            return "because no identity-based policy allows the {action} action"
        known = {
            "aws:RequestedRegion": [call.region],
            "aws:SourceIp": [request.client.host if request.client else "127.0.0.1"],
            "aws:UserAgent": [request.headers.get("user-agent", "")],
            "aws:userid": [f"{role['RoleId']}:{call.who.rpartition('/')[2]}"],
            "aws:ViaAWSService": ["false"],
        }
        decision = iam.decide(role, need.action, need.resource, known | need.context, call.who)
        if decision.effect == policy.ALLOWED:
            return None
        if decision.effect == policy.EXPLICIT_DENY:
            return f"with an explicit deny in {self._kind(role, decision.statements[0])}"
        unbound = iam.decide(role, need.action, need.resource, known | need.context, call.who, bounded=False)
        if unbound.effect == policy.ALLOWED:
            return "because no permissions boundary allows the {action} action"
        return "because no identity-based policy allows the {action} action"

    def _kind(self, role, statement):
        if statement.kind == "resource":
            return "a resource-based policy"
        if statement in self.account.iam.statements(role):
            return "an identity-based policy"
        return "a permissions boundary"

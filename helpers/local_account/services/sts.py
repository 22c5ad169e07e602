"""STS: who is calling, and temporary keys for whoever a role trusts."""

from datetime import timedelta

from ..errors import AwsError
from ..protocols import answer
from . import policy
from .iam_policies import new_keys
from .policy_grammar import read_trust

LONGEST_CHAINED = 3600  # seconds: who assumes a role while being one already gets an hour at most


async def serve(request, account, caller):
    """Answer an STS request."""
    return await answer(request, "sts", Sts(account, caller))


class Sts:
    """STS's operations under botocore's names, for one caller."""

    def __init__(self, account, caller):
        self.account, self.caller = account, caller

    def get_caller_identity(self):
        return {"UserId": self._user_id(), "Account": self.account.id, "Arn": self.caller.arn}

    def assume_role(self, RoleArn, RoleSessionName, DurationSeconds=3600, ExternalId=None):
        role = self.account.iam.role_of(RoleArn)
        if role is None or not self._may_assume(role, RoleSessionName, ExternalId):
            raise AwsError(
                f"User: {self.caller.arn} is not authorized to perform: sts:AssumeRole on resource: {RoleArn}",
                "AccessDenied",
                403,
            )
        if DurationSeconds > role["MaxSessionDuration"]:
            raise AwsError(
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.", "ValidationError"
            )
        if DurationSeconds > LONGEST_CHAINED:
            raise AwsError(
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
                "ValidationError",
            )
        arn = f"arn:aws:sts::{self.account.id}:assumed-role/{role['RoleName']}/{RoleSessionName}"
        keys = self._keys(arn, DurationSeconds)
        return {
            "Credentials": keys,
            "AssumedRoleUser": {"AssumedRoleId": f"{role['RoleId']}:{RoleSessionName}", "Arn": arn},
        }

    def get_access_key_info(self, AccessKeyId):
        if AccessKeyId != self.account.keys["AccessKeyId"] and self.account.iam.key(AccessKeyId) is None:
            raise AwsError(f"{AccessKeyId} is no access key of this account.", "ValidationError")
        return {"Account": self.account.id}

    def get_session_token(self):
        raise AwsError("Cannot call GetSessionToken with session credentials", "AccessDenied", 403)

    def get_federation_token(self, Name):
        raise AwsError("Cannot call GetFederationToken with session credentials", "AccessDenied", 403)

    def _may_assume(self, role, session, external_id):
        """Tell whether the role trusts the caller by name, or the account while the caller's own role allows it."""
        mine = self._own_role()
        context = {"aws:PrincipalAccount": [self.account.id], "sts:RoleSessionName": [session]}
        if mine:
            context["aws:PrincipalArn"] = [mine["Arn"]]
        if external_id is not None:
            context["sts:ExternalId"] = [external_id]
        trust, names = read_trust(role["AssumeRolePolicyDocument"]), [self.caller.arn, *([mine["Arn"]] if mine else [])]

        def decided(principals):
            request = policy.Request("sts:AssumeRole", role["Arn"], context, {"AWS": principals})
            return policy.decide(request, (), None, trust).effect

        as_account = decided([*names, self.account.id])
        own = self.account.iam.decide(mine, "sts:AssumeRole", role["Arn"]) if mine else None
        if policy.EXPLICIT_DENY in (as_account, own and own.effect) or (own and own.within_boundary is False):
            return False
        if decided(names) == policy.ALLOWED:
            return True
        return as_account == policy.ALLOWED and own is not None and own.effect == policy.ALLOWED

    def _own_role(self):
        """Return the role that the caller has assumed, or None if it was deleted since."""
        name = self.caller.arn.split("/")[1]  # "arn:aws:sts::000000000000:assumed-role/NAME/SESSION"
        return self.account.records.get("IamRole", "", name)

    def _user_id(self):
        role, session = self._own_role(), self.caller.arn.rpartition("/")[2]
        if role is None:
            raise AwsError("The security token included in the request is invalid.", "InvalidClientTokenId", 403)
        return f"{role['RoleId']}:{session}"

    def _keys(self, arn, seconds):
        records, now = self.account.records, self.account.clock.now()
        for old in records.all("SessionKeys"):
            if old["Expiration"] < now - timedelta(days=1):
                records.delete("SessionKeys", "", old["AccessKeyId"])
        keys = new_keys() | {"Expiration": now + timedelta(seconds=seconds)}
        records.put("SessionKeys", "", keys["AccessKeyId"], keys | {"Arn": arn, "Since": now})
        return keys

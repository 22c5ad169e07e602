"""IAM: roles, what they may do, and who may assume them."""

import json
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from ..protocols import answer
from . import policy
from .iam_policies import (
    DeleteConflict,
    EntityAlreadyExists,
    LimitExceeded,
    ManagedPolicies,
    NoSuchEntity,
    merged,
    new_keys,
    page,
    unique_id,
    without,
)
from .iam_simulation import Simulation
from .policy_grammar import read, read_resource, read_trust

EXECUTION_ROLE = Path(__file__).parents[1] / "execution_role"
MOST_INLINE = 10_240  # characters in all inline policies of a role
MOST_ATTACHED = (
    25  # managed policies on a role: as far as AWS raises the quota of 10, which the roles of the SDK exceed
)
LIST_ITEM = {"Tags", "PermissionsBoundary", "RoleLastUsed"}  # what ListRoles leaves out


async def serve(request, account, caller):
    """Answer an IAM request."""
    return await answer(request, "iam", account.iam)


class Iam(ManagedPolicies, Simulation):
    """The account's roles and policies. IAM has no regions, so its records have none either."""

    def __init__(self, account):
        self.account, self.records = account, account.records
        self.of_machines = {}  # access key -> the keys of a machine that runs; no machine outlives the account
        if self.records.get("IamSeed", "", "execution role") is None:
            self._seed()

    def allows(self, role_arn, action, resource="*", context=None):
        """Tell whether a role may do something; a role that does not exist may do nothing."""
        role = self.role_of(role_arn)
        allowed = role is not None and self.decide(role, action, resource, context).effect == policy.ALLOWED
        self.account.calls.asked(role_arn, action, resource, allowed)
        return allowed

    def decide(self, role, action, resource="*", context=None, session=None, bounded=True):
        """Return the evaluator's Decision for a role, with what the account itself knows about the request.

        `session` is the ARN under which the role was assumed, by which the policy of a resource may name it;
        unless `bounded` its permissions boundary is left out of account.
        """
        now = self.account.clock.now()
        known = {
            "aws:CurrentTime": [now.isoformat()],
            "aws:EpochTime": [str(int(now.timestamp()))],
            "aws:PrincipalAccount": [self.account.id],
            "aws:PrincipalArn": [role["Arn"]],
            "aws:PrincipalType": ["AssumedRole"],
            "aws:SecureTransport": ["true"],
            **{f"aws:PrincipalTag/{tag['Key']}": [tag["Value"]] for tag in role.get("Tags", [])},
        }
        statements, of_resource = self.statements(role), self._of_resource(resource)
        boundary = self.boundary(role) if bounded else None
        names = [role["Arn"], session or f"arn:aws:sts::{self.account.id}:assumed-role/{role['RoleName']}/SageMaker"]
        request = policy.Request(action, resource, known | (context or {}), {"AWS": names})
        if of_resource:  # to deny to the account is to deny to all in it; to allow to the account allows nobody alone
            as_account = replace(request, principal={"AWS": [*names, self.account.id]})
            decision = policy.decide(as_account, statements, boundary, of_resource)
            if decision.effect == policy.EXPLICIT_DENY:
                return decision
        return policy.decide(request, statements, boundary, of_resource)

    def job_keys(self, role_arn, session="SageMaker"):
        """Return temporary keys of a role for the programs of a machine; `forget_keys` ends them."""
        name = role_arn.rpartition("/")[2]
        keys = new_keys()
        self.of_machines[keys["AccessKeyId"]] = keys | {
            "Arn": f"arn:aws:sts::{self.account.id}:assumed-role/{name}/{session}",
            "Since": self.account.clock.now(),
        }
        return keys

    def let_in(self, learner, policy, policy_of_jobs):
        """Make the roles of a learner of a room, or change their policies; return keys of the first that stay good.

        The keys come with the ARN of the second, under which the learner's jobs run (`RoleArn`).
        """
        name, jobs = f"course-{learner}", f"course-{learner}-jobs"
        for role, document in ((name, policy), (jobs, policy_of_jobs)):
            if self.records.get("IamRole", "", role) is None:
                self.create_role(role, (EXECUTION_ROLE / "trust.json").read_text())
            self.put_role_policy(role, "course", json.dumps(document))
        arn = f"arn:aws:sts::{self.account.id}:assumed-role/{name}/{learner}"
        keys = next((each for each in self.records.all("LearnerKeys") if each["Arn"] == arn), None)
        if keys and keys.get("Out"):
            self.records.delete("LearnerKeys", "", keys["AccessKeyId"])
            keys = None
        if keys is None:
            keys = new_keys() | {"Arn": arn, "Since": self.account.clock.now()}
            self.records.put("LearnerKeys", "", keys["AccessKeyId"], keys)
        wanted = ("AccessKeyId", "SecretAccessKey", "SessionToken")
        return {member: keys[member] for member in wanted} | {"RoleArn": self._role(jobs)["Arn"]}

    def let_out(self, staying):
        """Let the keys of all learners but some be worth nothing; who is let in again gets new ones.

        What they have made stays theirs, and what runs of it goes on.
        """
        for keys in self.records.all("LearnerKeys"):
            if keys["Arn"].rpartition("/")[2] not in staying:
                self.records.put("LearnerKeys", "", keys["AccessKeyId"], keys | {"Out": True})

    def learners(self):
        """Return the names of the learners of a room, who have or had keys of their own."""
        return [keys["Arn"].rpartition("/")[2] for keys in self.records.all("LearnerKeys")]

    def learner_of(self, arn):
        """Return the learner of a room who acts, or whose jobs act, as the session of an ARN, or None."""
        role = arn.split("/")[1]
        return next((name for name in self.learners() if role in (f"course-{name}", f"course-{name}-jobs")), None)

    def forget_keys(self, access_key):
        """Let the keys of a machine be worth nothing any more."""
        self.of_machines.pop(access_key, None)

    def _of_resource(self, arn):
        """Return the statements of the policy that a resource has: here, buckets have such."""
        if not arn.startswith("arn:aws:s3:::"):
            return ()
        bucket = self.records.get("Bucket", "", arn.removeprefix("arn:aws:s3:::").partition("/")[0])
        return read_resource(bucket["Policy"]) if bucket and bucket.get("Policy") else ()

    def trusts(self, role_arn, service):
        """Tell whether a role exists and lets a service, e.g. sagemaker.amazonaws.com, assume it."""
        role = self.role_of(role_arn)
        if role is None:
            return False
        context = {"aws:SourceAccount": [self.account.id]}
        request = policy.Request("sts:AssumeRole", role["Arn"], context, {"Service": [service]})
        return policy.decide(request, (), None, read_trust(role["AssumeRolePolicyDocument"])).effect == policy.ALLOWED

    def key(self, access_key):
        """Return the keys of this access key, which AssumeRole gave out, a machine has or a learner, or None."""
        given = (self.records.get(kind, "", access_key) for kind in ("SessionKeys", "LearnerKeys"))
        return self.of_machines.get(access_key) or next((each for each in given if each and not each.get("Out")), None)

    def role_of(self, arn):
        """Return the role that has this ARN, or None."""
        role = self.records.get("IamRole", "", arn.rpartition("/")[2])
        return role if role and role["Arn"] == arn else None

    def statements(self, role):
        """Return the statements of all policies that a role has."""
        found = [statement for name, text in role["_Inline"].items() for statement in read(text, name, "role")]
        for arn in role["_Attached"]:
            kind = "aws-managed" if arn.startswith("arn:aws:iam::aws:") else "user-managed"
            found += read(self.document(arn), arn.rpartition("/")[2], kind)
        return found

    def boundary(self, role):
        """Return the statements of a role's permissions boundary, or None if it has none."""
        if "PermissionsBoundary" not in role:
            return None
        arn = role["PermissionsBoundary"]["PermissionsBoundaryArn"]
        return read(self.document(arn), arn.rpartition("/")[2], "user-managed")

    def _seed(self):
        """Make the execution role, with the policies that lie beside this program."""
        name = self.account.role_arn.rpartition("/")[2]
        trust = (EXECUTION_ROLE / "trust.json").read_text()
        self.create_role(name, trust, Description="The role that notebooks and jobs of the course run as")
        for path in sorted(EXECUTION_ROLE.glob("SageMakerCourse*.json")):
            self.put_role_policy(name, path.stem, path.read_text())
        self.records.put("IamSeed", "", "execution role", {})

    # What follows are IAM's operations under botocore's names, with IAM's parameters.

    def create_role(
        self,
        RoleName,
        AssumeRolePolicyDocument,
        Path="/",
        Description=None,
        MaxSessionDuration=3600,
        PermissionsBoundary=None,
        Tags=(),
    ):
        if any(role["RoleName"].lower() == RoleName.lower() for role in self.records.all("IamRole")):
            raise EntityAlreadyExists(f"Role with name {RoleName} already exists.")
        read_trust(AssumeRolePolicyDocument)
        role = {
            "Path": Path,
            "RoleName": RoleName,
            "RoleId": unique_id("AROA"),
            "Arn": f"arn:aws:iam::{self.account.id}:role{Path}{RoleName}",
            "CreateDate": self.account.clock.now(),
            "AssumeRolePolicyDocument": AssumeRolePolicyDocument,
            "MaxSessionDuration": MaxSessionDuration,
            "_Inline": {},
            "_Attached": [],
        }
        if Description is not None:
            role["Description"] = Description
        if PermissionsBoundary is not None:
            role["PermissionsBoundary"] = self._boundary(PermissionsBoundary)
        if Tags:
            role["Tags"] = merged([], Tags)
        return {"Role": shown(self.records.put("IamRole", "", RoleName, role))}

    def get_role(self, RoleName):
        return {"Role": shown(self._role(RoleName))}

    def list_roles(self, PathPrefix="/", Marker=None, MaxItems=100):
        roles = [shown(role) for role in self.records.all("IamRole") if role["Path"].startswith(PathPrefix)]
        roles = [{name: value for name, value in role.items() if name not in LIST_ITEM} for role in roles]
        return page("Roles", roles, Marker, MaxItems, key=lambda role: role["RoleName"])

    def update_role(self, RoleName, Description=None, MaxSessionDuration=None):
        given = {"Description": Description, "MaxSessionDuration": MaxSessionDuration}
        self._change(RoleName, **{name: value for name, value in given.items() if value is not None})

    def update_role_description(self, RoleName, Description):
        return {"Role": shown(self._change(RoleName, Description=Description))}

    def update_assume_role_policy(self, RoleName, PolicyDocument):
        self._role(RoleName)
        read_trust(PolicyDocument)
        self._change(RoleName, AssumeRolePolicyDocument=PolicyDocument)

    def delete_role(self, RoleName):
        role = self._role(RoleName)
        if role["_Attached"]:
            raise DeleteConflict("Cannot delete entity, must detach all policies first.")
        if role["_Inline"]:
            raise DeleteConflict("Cannot delete entity, must delete policies first.")
        self.records.delete("IamRole", "", RoleName)

    def put_role_permissions_boundary(self, RoleName, PermissionsBoundary):
        self._role(RoleName)
        self._change(RoleName, PermissionsBoundary=self._boundary(PermissionsBoundary))

    def delete_role_permissions_boundary(self, RoleName):
        role = self._role(RoleName)
        if "PermissionsBoundary" not in role:
            raise NoSuchEntity(f"No permission boundary is set for role {RoleName}")
        self.records.put("IamRole", "", RoleName, without(role, "PermissionsBoundary"))

    def tag_role(self, RoleName, Tags):
        self._change(RoleName, Tags=merged(self._role(RoleName).get("Tags", []), Tags))

    def untag_role(self, RoleName, TagKeys):
        tags = [tag for tag in self._role(RoleName).get("Tags", []) if tag["Key"] not in TagKeys]
        self._change(RoleName, Tags=tags)

    def list_role_tags(self, RoleName, Marker=None, MaxItems=100):
        return page("Tags", self._role(RoleName).get("Tags", []), Marker, MaxItems, key=lambda tag: tag["Key"])

    def put_role_policy(self, RoleName, PolicyName, PolicyDocument):
        inline = self._role(RoleName)["_Inline"] | {PolicyName: PolicyDocument}
        read(PolicyDocument, PolicyName, "role")
        if sum(len("".join(text.split())) for text in inline.values()) > MOST_INLINE:  # white space is not counted
            raise LimitExceeded(f"Maximum policy size of {MOST_INLINE} bytes exceeded for role {RoleName}")
        self._change(RoleName, _Inline=inline)

    def get_role_policy(self, RoleName, PolicyName):
        document = self._inline(RoleName, PolicyName)
        return {"RoleName": RoleName, "PolicyName": PolicyName, "PolicyDocument": quote(document, safe="")}

    def list_role_policies(self, RoleName, Marker=None, MaxItems=100):
        return page("PolicyNames", sorted(self._role(RoleName)["_Inline"]), Marker, MaxItems, key=str)

    def delete_role_policy(self, RoleName, PolicyName):
        self._inline(RoleName, PolicyName)
        self._change(RoleName, _Inline=without(self._role(RoleName)["_Inline"], PolicyName))

    def attach_role_policy(self, RoleName, PolicyArn):
        role = self._role(RoleName)
        self.attachable(PolicyArn)
        if PolicyArn in role["_Attached"]:
            return
        if len(role["_Attached"]) >= MOST_ATTACHED:
            raise LimitExceeded(f"Cannot exceed quota for PoliciesPerRole: {MOST_ATTACHED}")
        self._change(RoleName, _Attached=[*role["_Attached"], PolicyArn])

    def detach_role_policy(self, RoleName, PolicyArn):
        role = self._role(RoleName)
        if PolicyArn not in role["_Attached"]:
            raise NoSuchEntity(f"Policy {PolicyArn} was not found.")
        self._change(RoleName, _Attached=[arn for arn in role["_Attached"] if arn != PolicyArn])

    def list_attached_role_policies(self, RoleName, PathPrefix="/", Marker=None, MaxItems=100):
        attached = [
            {"PolicyName": arn.rpartition("/")[2], "PolicyArn": arn}
            for arn in self._role(RoleName)["_Attached"]
            if self.managed(arn)["Path"].startswith(PathPrefix)
        ]
        return page("AttachedPolicies", attached, Marker, MaxItems, key=lambda entry: entry["PolicyName"])

    def list_instance_profiles_for_role(self, RoleName):
        self._role(RoleName)
        return {"InstanceProfiles": [], "IsTruncated": False}  # none can be made here

    def _role(self, name):
        role = self.records.get("IamRole", "", name)
        if role is None:
            raise NoSuchEntity(f"The role with name {name} cannot be found.")
        return role

    def _change(self, name, **members):
        self._role(name)
        return self.records.change("IamRole", "", name, **members)

    def _inline(self, role_name, policy_name):
        inline = self._role(role_name)["_Inline"]
        if policy_name not in inline:
            raise NoSuchEntity(f"The role policy with name {policy_name} cannot be found.")
        return inline[policy_name]

    def _boundary(self, arn):
        self.attachable(arn)
        return {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn}


def shown(role):
    """Return a role as IAM shows it: its trust policy URL-encoded."""
    return role | {"AssumeRolePolicyDocument": quote(role["AssumeRolePolicyDocument"], safe="")}

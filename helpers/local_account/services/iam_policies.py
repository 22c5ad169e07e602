"""IAM's managed policies: the account's own, kept with their versions, and AWS's own, read from moto's copy of them."""

import base64
import importlib.util
import json
import secrets
import string
from datetime import datetime
from functools import cache
from pathlib import Path as File
from urllib.parse import quote

from ..errors import AwsError
from .policy_grammar import read

MOST_VERSIONS = 5
MOST_CHARACTERS = 6144
AWS_MANAGED = "arn:aws:iam::aws:policy/"


class NoSuchEntity(AwsError):
    """There is no such role or policy."""

    code, status = "NoSuchEntity", 404


class EntityAlreadyExists(AwsError):
    """The name is taken."""

    code, status = "EntityAlreadyExists", 409


class DeleteConflict(AwsError):
    """Something still hangs on it."""

    code, status = "DeleteConflict", 409


class LimitExceeded(AwsError):
    """IAM allows no more of them."""

    code, status = "LimitExceeded", 409


class ManagedPolicies:
    """The part of IAM that knows managed policies; `records` and `account` are those of Iam."""

    def managed(self, arn):
        """Return a managed policy's record, of the account or of AWS, or raise NoSuchEntity."""
        found = aws_managed().get(arn) if arn.startswith(AWS_MANAGED) else self.records.get("IamPolicy", "", arn)
        if found is None:
            raise NoSuchEntity(f"Policy {arn} was not found.")
        return found

    def attachable(self, arn):
        """Raise unless there is a managed policy of this ARN."""
        try:
            return self.managed(arn)
        except NoSuchEntity:
            raise NoSuchEntity(f"Policy {arn} does not exist or is not attachable.") from None

    def document(self, arn):
        """Return the document of a policy's default version."""
        policy = self.managed(arn)
        return policy["_Versions"][policy["DefaultVersionId"]]["Document"]

    # What follows are IAM's operations under botocore's names, with IAM's parameters.

    def create_policy(self, PolicyName, PolicyDocument, Path="/", Description=None, Tags=()):
        arn = f"arn:aws:iam::{self.account.id}:policy{Path}{PolicyName}"
        names = {policy["PolicyName"].lower() for policy in self.records.all("IamPolicy")}
        if PolicyName.lower() in names:
            raise EntityAlreadyExists(f"A policy called {PolicyName} already exists. Duplicate names are not allowed.")
        _check_document(PolicyDocument, PolicyName)
        now = self.account.clock.now()
        policy = {
            "PolicyName": PolicyName,
            "PolicyId": unique_id("ANPA"),
            "Arn": arn,
            "Path": Path,
            "DefaultVersionId": "v1",
            "IsAttachable": True,
            "CreateDate": now,
            "UpdateDate": now,
            "_Latest": 1,
            "_Versions": {"v1": {"Document": PolicyDocument, "CreateDate": now}},
        }
        if Description is not None:
            policy["Description"] = Description
        if Tags:
            policy["Tags"] = merged([], Tags)
        return {"Policy": self._shown(self.records.put("IamPolicy", "", arn, policy))}

    def get_policy(self, PolicyArn):
        return {"Policy": self._shown(self.managed(PolicyArn))}

    def list_policies(
        self, Scope="All", OnlyAttached=False, PathPrefix="/", PolicyUsageFilter=None, Marker=None, MaxItems=100
    ):
        policies = [] if Scope == "AWS" else self.records.all("IamPolicy")
        if Scope != "Local":
            policies = [*policies, *aws_managed().values()]
        usage = self._usage()
        wanted = []
        for policy in policies:
            attached, bounding = usage.get(policy["Arn"], (0, 0))
            used = {"PermissionsPolicy": attached, "PermissionsBoundary": bounding, None: 1}[PolicyUsageFilter]
            if policy["Path"].startswith(PathPrefix) and used and (attached or not OnlyAttached):
                shown = self._shown(policy, (attached, bounding))
                wanted.append({name: value for name, value in shown.items() if name not in ("Description", "Tags")})
        return page("Policies", wanted, Marker, MaxItems, key=lambda policy: policy["PolicyName"])

    def delete_policy(self, PolicyArn):
        policy = self._own(PolicyArn)
        if self._users(PolicyArn):
            raise DeleteConflict("Cannot delete a policy attached to entities.")
        if len(policy["_Versions"]) > 1:
            raise DeleteConflict(
                "This policy has more than one version. Before you delete a policy, you must delete the policy's "
                "versions. The default version is deleted with the policy."
            )
        self.records.delete("IamPolicy", "", PolicyArn)

    def create_policy_version(self, PolicyArn, PolicyDocument, SetAsDefault=False):
        policy = self._own(PolicyArn)
        _check_document(PolicyDocument, policy["PolicyName"])
        if len(policy["_Versions"]) >= MOST_VERSIONS:
            raise LimitExceeded(
                f"A managed policy can have up to {MOST_VERSIONS} versions. Before you create a new version, you must "
                "delete an existing version."
            )
        now, number = self.account.clock.now(), policy["_Latest"] + 1
        changed = self.records.change(
            *("IamPolicy", "", PolicyArn),
            _Latest=number,
            _Versions=policy["_Versions"] | {f"v{number}": {"Document": PolicyDocument, "CreateDate": now}},
            DefaultVersionId=f"v{number}" if SetAsDefault else policy["DefaultVersionId"],
            UpdateDate=now,
        )
        return {"PolicyVersion": without(_version(changed, f"v{number}"), "Document")}

    def get_policy_version(self, PolicyArn, VersionId):
        policy = self.managed(PolicyArn)
        self._known(policy, VersionId)
        return {"PolicyVersion": _version(policy, VersionId)}

    def list_policy_versions(self, PolicyArn, Marker=None, MaxItems=100):
        policy = self.managed(PolicyArn)
        names = sorted(policy["_Versions"], key=lambda name: -int(name[1:]))
        versions = [without(_version(policy, name), "Document") for name in names]
        return page("Versions", versions, Marker, MaxItems, key=lambda version: version["VersionId"], ordered=True)

    def set_default_policy_version(self, PolicyArn, VersionId):
        self._known(self._own(PolicyArn), VersionId)
        now = self.account.clock.now()
        self.records.change("IamPolicy", "", PolicyArn, DefaultVersionId=VersionId, UpdateDate=now)

    def delete_policy_version(self, PolicyArn, VersionId):
        policy = self._own(PolicyArn)
        self._known(policy, VersionId)
        if VersionId == policy["DefaultVersionId"]:
            raise DeleteConflict("Cannot delete the default version of a policy.")
        self.records.change("IamPolicy", "", PolicyArn, _Versions=without(policy["_Versions"], VersionId))

    def tag_policy(self, PolicyArn, Tags):
        self.records.change("IamPolicy", "", PolicyArn, Tags=merged(self._own(PolicyArn).get("Tags", []), Tags))

    def untag_policy(self, PolicyArn, TagKeys):
        tags = [tag for tag in self._own(PolicyArn).get("Tags", []) if tag["Key"] not in TagKeys]
        self.records.change("IamPolicy", "", PolicyArn, Tags=tags)

    def list_policy_tags(self, PolicyArn, Marker=None, MaxItems=100):
        return page("Tags", self._own(PolicyArn).get("Tags", []), Marker, MaxItems, key=lambda tag: tag["Key"])

    def list_entities_for_policy(
        self, PolicyArn, EntityFilter=None, PathPrefix="/", PolicyUsageFilter=None, Marker=None, MaxItems=100
    ):
        self.managed(PolicyArn)
        roles = [
            {"RoleName": role["RoleName"], "RoleId": role["RoleId"]}
            for role in self._users(PolicyArn, PolicyUsageFilter)
            if role["Path"].startswith(PathPrefix) and EntityFilter in (None, "Role", _usage_filter(PolicyArn, role))
        ]
        listed = page("PolicyRoles", roles, Marker, MaxItems, key=lambda role: role["RoleName"])
        return listed | {"PolicyGroups": [], "PolicyUsers": []}  # the account has neither

    def _own(self, arn):
        if arn.startswith(AWS_MANAGED):
            raise AwsError(f"Access denied: {arn} belongs to AWS.", "AccessDenied", 403)
        return self.managed(arn)

    def _known(self, policy, version):
        if version not in policy["_Versions"]:
            raise NoSuchEntity(f"Policy {policy['Arn']} version {version} does not exist or is not attachable.")

    def _users(self, arn, usage=None):
        """Return the roles that have a policy attached or as their boundary."""
        return [
            role
            for role in self.records.all("IamRole")
            if (arn in role["_Attached"] and usage != "PermissionsBoundary")
            or (_usage_filter(arn, role) == "PermissionsBoundary" and usage != "PermissionsPolicy")
        ]

    def _usage(self):
        """Return, for each policy in use, on how many roles it is attached and how many it bounds."""
        usage = {}
        for role in self.records.all("IamRole"):
            for arn in role["_Attached"]:
                attached, bounding = usage.get(arn, (0, 0))
                usage[arn] = attached + 1, bounding
            if "PermissionsBoundary" in role:
                arn = role["PermissionsBoundary"]["PermissionsBoundaryArn"]
                attached, bounding = usage.get(arn, (0, 0))
                usage[arn] = attached, bounding + 1
        return usage

    def _shown(self, policy, usage=None):
        attached, bounding = usage or self._usage().get(policy["Arn"], (0, 0))
        return policy | {"AttachmentCount": attached, "PermissionsBoundaryUsageCount": bounding}


def _usage_filter(arn, role):
    bounding = role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn") == arn
    return "PermissionsBoundary" if bounding else "PermissionsPolicy"


def _version(policy, name):
    version = policy["_Versions"][name]
    shown = {
        "VersionId": name,
        "IsDefaultVersion": name == policy["DefaultVersionId"],
        "CreateDate": version["CreateDate"],
    }
    return shown | {"Document": quote(version["Document"], safe="")}


def _check_document(document, name):
    read(document, name, "user-managed")
    if len("".join(document.split())) > MOST_CHARACTERS:
        raise LimitExceeded(f"Cannot exceed quota for PolicySize: {MOST_CHARACTERS}")


def page(member, items, marker, most, key, ordered=False):
    """Return one page of a list as IAM answers it. The marker is the key of the last item that was shown."""
    items = items if ordered else sorted(items, key=key)
    start = 0
    if marker is not None:
        try:
            last = base64.urlsafe_b64decode(marker).decode()
            keys = [key(item) for item in items]
            start = keys.index(last) + 1 if ordered else sum(name <= last for name in keys)
        except ValueError:
            raise AwsError("Invalid Marker.", "ValidationError") from None
    shown = items[start : start + most]
    if start + most >= len(items):
        return {member: shown, "IsTruncated": False}
    return {member: shown, "IsTruncated": True, "Marker": base64.urlsafe_b64encode(key(shown[-1]).encode()).decode()}


def merged(tags, new):
    """Return tags with new ones added; of the same key the new one stays."""
    by_key = {tag["Key"]: tag for tag in [*tags, *new]}
    if len(by_key) > 50:
        raise LimitExceeded("The number of tags has reached the maximum limit.")
    return list(by_key.values())


def without(mapping, name):
    """Return a mapping without one of its members."""
    return {key: value for key, value in mapping.items() if key != name}


@cache
def aws_managed():
    """Return AWS's own managed policies by ARN, from a file of moto that is read without the slow import of moto."""
    moto = File(importlib.util.find_spec("moto").submodule_search_locations[0])
    spec = importlib.util.spec_from_file_location("aws_managed_policies", moto / "iam" / "aws_managed_policies.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {
        f"arn:aws:iam::aws:policy{entry['Path']}{name}": _aws_managed(name, entry)
        for name, entry in json.loads(module.aws_managed_policies_data).items()
    }


def _aws_managed(name, entry):
    version = {
        "Document": json.dumps(entry["Document"], indent=1),
        "CreateDate": datetime.fromisoformat(entry["UpdateDate"]),
    }
    return {
        "PolicyName": name,
        "Arn": f"arn:aws:iam::aws:policy{entry['Path']}{name}",
        "Path": entry["Path"],
        "DefaultVersionId": entry["DefaultVersionId"],
        "IsAttachable": True,
        "CreateDate": datetime.fromisoformat(entry["CreateDate"]),
        "UpdateDate": datetime.fromisoformat(entry["UpdateDate"]),
        "_Versions": {entry["DefaultVersionId"]: version},  # of the older ones nothing is known here
    }


def unique_id(prefix):
    """Return a new identifier as IAM makes them, e.g. AROA and 17 letters and digits."""
    return prefix + "".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(17))


def new_keys():
    """Return new temporary keys; ASIA is how their access keys begin."""
    letters = string.ascii_uppercase + string.digits
    return {
        "AccessKeyId": "ASIA" + "".join(secrets.choice(letters) for _ in range(16)),
        "SecretAccessKey": secrets.token_urlsafe(30),
        "SessionToken": secrets.token_urlsafe(90),
    }

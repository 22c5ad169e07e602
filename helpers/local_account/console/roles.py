"""Pages of IAM: roles, what they may do, and who may assume them."""

import json
from urllib.parse import unquote

from .view import Code, Page, Properties, Table


def roles(asked):
    """Show the roles."""
    answer = asked.account.iam.list_roles(MaxItems=1000)
    rows = [
        [asked.link(role["RoleName"], "roles/role", name=role["RoleName"]), role.get("Description"), role["CreateDate"]]
        for role in answer["Roles"]
    ]
    return Page("Roles", [Table("Roles", ("Role name", "Description", "Creation time"), rows)], "roles")


def role(asked):
    """Show a role with the documents of its policies."""
    iam, name = asked.account.iam, asked.query.get("name", "")
    known = dict(iam.get_role(name)["Role"])
    trust = known.pop("AssumeRolePolicyDocument")
    parts = [Properties("Summary", {member: value for member, value in known.items() if member[0] != "_"})]
    parts.append(Properties("Trust relationships", {"AssumeRolePolicyDocument": document(trust)}))
    for policy in iam.list_role_policies(name)["PolicyNames"]:
        text = iam.get_role_policy(name, policy)["PolicyDocument"]
        parts.append(Properties(f"Inline policy {policy}", {"PolicyDocument": document(text)}))
    for policy in iam.list_attached_role_policies(name)["AttachedPolicies"]:
        arn = policy["PolicyArn"]
        version = iam.get_policy(arn)["Policy"]["DefaultVersionId"]
        text = iam.get_policy_version(arn, version)["PolicyVersion"]["Document"]
        values = {"PolicyArn": arn, "VersionId": version, "Document": document(text)}
        parts.append(Properties(f"Attached policy {policy['PolicyName']}", values))
    return Page(name, parts, "roles", above=(asked.link("Roles", "roles"),))


def document(text):
    """Return a policy's document with one thing on a line, as it is read best."""
    found = json.loads(unquote(text)) if isinstance(text, str) else text
    return Code(json.dumps(found, indent=2))


ROUTES = {"roles": roles, "roles/role": role}

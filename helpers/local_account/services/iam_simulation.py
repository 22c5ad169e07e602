"""IAM's simulation: would this be allowed? The answer comes from the same evaluator that decides."""

import re

from ..errors import AwsError
from . import policy
from .iam_policies import NoSuchEntity, page
from .policy_grammar import listed, read, read_resource


class InvalidInput(AwsError):
    """The question makes no sense."""

    code = "InvalidInput"


class Simulation:
    """The part of IAM that answers simulations; the rest of Iam knows the roles."""

    def simulate_principal_policy(
        self,
        PolicySourceArn,
        ActionNames,
        PolicyInputList=(),
        PermissionsBoundaryPolicyInputList=(),
        ResourceArns=("*",),
        ResourcePolicy=None,
        CallerArn=None,
        ContextEntries=(),
        Marker=None,
        MaxItems=100,
    ):
        role = self._source(PolicySourceArn)
        boundary = self.boundary(role)
        if PermissionsBoundaryPolicyInputList:  # the one given stands in for the one that the role has
            boundary = _boundary(PermissionsBoundaryPolicyInputList)
        statements = [*self.statements(role), *_given(PolicyInputList)]
        results = self._simulate(
            ActionNames, ResourceArns, statements, boundary, ResourcePolicy, CallerArn, ContextEntries
        )
        return page("EvaluationResults", results, Marker, MaxItems, key=_place(results), ordered=True)

    def simulate_custom_policy(
        self,
        PolicyInputList,
        ActionNames,
        PermissionsBoundaryPolicyInputList=(),
        ResourceArns=("*",),
        ResourcePolicy=None,
        CallerArn=None,
        ContextEntries=(),
        Marker=None,
        MaxItems=100,
    ):
        boundary = _boundary(PermissionsBoundaryPolicyInputList) if PermissionsBoundaryPolicyInputList else None
        results = self._simulate(
            ActionNames, ResourceArns, _given(PolicyInputList), boundary, ResourcePolicy, CallerArn, ContextEntries
        )
        return page("EvaluationResults", results, Marker, MaxItems, key=_place(results), ordered=True)

    def get_context_keys_for_principal_policy(self, PolicySourceArn, PolicyInputList=()):
        role = self._source(PolicySourceArn)
        statements = [*self.statements(role), *(self.boundary(role) or ()), *_given(PolicyInputList)]
        return {"ContextKeyNames": _context_keys(statements)}

    def get_context_keys_for_custom_policy(self, PolicyInputList):
        return {"ContextKeyNames": _context_keys(_given(PolicyInputList))}

    def _source(self, arn):
        kind = re.fullmatch(r"arn:aws:iam::\d{12}:(user|group|role)/(?:.*/)?([^/]+)", arn)
        if kind is None:
            raise InvalidInput(f"Invalid Entity Arn: {arn} does not clearly define entity type and name.")
        role = self.role_of(arn)
        if role is None:
            raise NoSuchEntity(f"The {kind[1]} with name {kind[2]} cannot be found.")
        return role

    def _simulate(self, actions, resources, statements, boundary, resource_policy, caller, entries):
        context = {entry["ContextKeyName"]: entry.get("ContextKeyValues", []) for entry in entries}
        principal, of_resource = {}, ()
        if resource_policy is not None:
            if caller is None:
                raise InvalidInput("A CallerArn is needed to evaluate a ResourcePolicy.")
            principal, of_resource = {"AWS": [caller, self.account.id]}, read_resource(resource_policy)
        results = []
        for action in actions:
            if not re.fullmatch(r"[\w-]+:[\w-]+", action):
                raise InvalidInput(f"Invalid Action: {action}")
            for resource in resources:
                request = policy.Request(action, resource, context, principal)
                results.append(_result(request, policy.decide(request, statements, boundary, of_resource)))
        return results


def _result(request, decision):
    result = {
        "EvalActionName": request.action,
        "EvalResourceName": request.resource,
        "EvalDecision": decision.effect,
        "MatchedStatements": [
            {
                "SourcePolicyId": statement.policy,
                "SourcePolicyType": statement.kind,
                "StartPosition": dict(zip(("Line", "Column"), statement.start, strict=True)),
                "EndPosition": dict(zip(("Line", "Column"), statement.end, strict=True)),
            }
            for statement in decision.statements
        ],
        "MissingContextValues": list(decision.missing),
    }
    if decision.within_boundary is not None:
        result["PermissionsBoundaryDecisionDetail"] = {"AllowedByPermissionsBoundary": decision.within_boundary}
    return result


def _given(documents):
    """Read the policies that came with the question; the simulation calls them PolicyInputList.1, .2, …"""
    return [
        statement
        for number, document in enumerate(documents, 1)
        for statement in read(document, f"PolicyInputList.{number}", "none")
    ]


def _boundary(documents):
    return read(documents[0], "PermissionsBoundaryPolicyInputList.1", "none")


def _place(results):
    return lambda result: str(next(number for number, other in enumerate(results) if other is result))


def _context_keys(statements):
    keys = {}
    for statement in statements:
        texts = listed(statement.body.get("Resource", statement.body.get("NotResource", [])))
        for conditions in statement.body.get("Condition", {}).values():
            keys |= dict.fromkeys(conditions)
            texts = [*texts, *(str(value) for values in conditions.values() for value in listed(values))]
        keys |= dict.fromkeys(name for text in texts for name, _ in policy.VARIABLE.findall(text) if name not in "*?$")
    return list(keys)

"""The book says which operations of AWS the local account has; the account is asked each of them."""

import random

import pytest
from test_fuzz import ask, ask_raw

from generated import CannotBeMade, request
from helpers.local_account import conformance, server, shapes
from helpers.local_account.services import other


@pytest.mark.parametrize("service", conformance.services())
def test_an_operation_is_here_if_and_only_if_the_book_says_so(shared_account, service):
    model, dice = shapes.service_model(service), random.Random(3)
    client = shared_account.client(service, parameter_validation=False)
    wrong, asked = [], 0
    for standing in conformance.standings(service):
        name = standing.operation
        shape = model.operation_model(name).input_shape
        try:
            parameters = request(shape, dice, optional=0) if shape else {}
        except CannotBeMade:
            continue
        if model.metadata["protocol"] == "json":
            status, _ = ask_raw(shared_account, model, name, parameters)
        else:
            status, _ = ask(client, name, parameters)
        asked += status != "not sent"
        if status == (501 if standing.here else 200):  # a refusal of another kind may come before both
            wrong.append(f"{name}: the book says {'here' if standing.here else 'not here'}, the account {status}")
    assert not wrong, "\n".join(wrong)
    assert asked > 0


def test_the_book_knows_every_service_that_the_door_does():
    own = {"s3", "course", *other.OPEN}
    named = {shapes.service_model(service).signing_name for service in conformance.ROOMS}
    assert named == set(server.SERVICES) - own


@pytest.mark.parametrize("operation", conformance.REFUSED)
def test_what_the_book_says_is_refused_is_a_member_of_the_request(operation):
    service = "sagemaker-runtime" if operation.startswith("Invoke") else "sagemaker"
    shape = shapes.operation(operation, service).input_shape
    for path in next(one for one in conformance.standings(service) if one.operation == operation).refused:
        found = shape
        for part in path.split("."):
            while found.type_name == "list":
                found = found.member
            if found.type_name == "map":
                break  # a variable of an environment
            found = found.members[part]

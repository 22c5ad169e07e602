"""Chapter 10: a list that a transform job has answered, and an endpoint that sleeps with less memory."""

import io

from .. import belongings, flights
from .account import content, described
from .verdict import done, not_yet


def august_list(course):
    """Look for a chance beside the id of each flight of August."""
    from pandas import read_csv

    key, august = f"{course.prefix}/lists/answers/august.csv.out", flights.month(flights.TEST[0])
    wanted = f"an object {key} in the bucket {course.bucket} with id and chance of the {len(august)} flights of August"
    body = content(course, key)
    if body is None:
        jobs = belongings.jobs(course, kind=belongings.TRANSFORM)
        last = f"your last transform job is {jobs[-1]['TransformJobStatus']}" if jobs else "you have no transform job"
        return not_yet(f"there is no object {key}; {last}", wanted)
    try:
        found = read_csv(io.BytesIO(body), header=None)
    except ValueError as error:
        return not_yet(f"{key} is not a table: {error}", wanted)
    if found.shape != (len(august), 2):
        return not_yet(f"{key} has {len(found)} lines of {found.shape[1]} columns", wanted)
    days = "2013-08-" + august.day.astype(str).str.zfill(2)
    ids = days + " " + august.carrier + august.flight.astype(str) + " " + august.origin
    if strange := set(found[0].astype(str)) - set(ids):
        return not_yet(f"{key} has {min(strange)!r} where the id of a flight of August belongs", wanted)
    return done(f"{key} has a chance for each of the {len(august)} flights of August")


def half_the_memory(course):
    """Look for the serverless endpoint of the chapter with half of its memory."""
    name = course.name("sleeper")
    wanted = f"a serverless endpoint {name} with 1024 MB that is InService"
    endpoint = described("describe_endpoint", EndpointName=name)
    if endpoint is None:
        return not_yet(f"there is no endpoint {name}", wanted)
    variant = endpoint.get("ProductionVariants", [{}])[0]
    memory = variant.get("CurrentServerlessConfig", {}).get("MemorySizeInMB")
    if endpoint["EndpointStatus"] != "InService" or memory != 1024:
        has = f"has {memory} MB" if memory else "is not serverless"
        return not_yet(f"{name} is {endpoint['EndpointStatus']} and {has}", wanted)
    return done(f"{name} answers with 1024 MB")

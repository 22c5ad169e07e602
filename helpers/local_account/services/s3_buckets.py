"""S3's operations on buckets, under AWS's names: each takes the parameters that it honours."""

import json
from functools import cache

from botocore.loaders import Loader

from ..errors import AwsError, LocalLimit
from .policy_grammar import read_resource
from .s3_errors import S3Error
from .s3_lists import decoded, encoded, owner

OWNED = "BucketOwnerEnforced"  # every object belongs to the bucket's owner, and lists of grants are not in use
TAG_LIMITS = {"Key": 128, "Value": 256}

# Documents that a bucket keeps as they were put, with the error that tells of their absence
DOCUMENTS = {
    "Policy": "NoSuchBucketPolicy",
    "TagSet": "NoSuchTagSet",
    "PublicAccessBlockConfiguration": "NoSuchPublicAccessBlockConfiguration",
    "OwnershipControls": "OwnershipControlsNotFoundError",
    "ServerSideEncryptionConfiguration": "ServerSideEncryptionConfigurationNotFoundError",
}
CLOSED = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)


def CreateBucket(call, Bucket, CreateBucketConfiguration=None, ACL="private", ObjectOwnership=OWNED):
    """Create a bucket in the region that is asked for, or in that of the request."""
    wanted = CreateBucketConfiguration or {}
    constraint, region = wanted.get("LocationConstraint"), call.region
    if wanted.keys() - {"LocationConstraint", "Tags"}:
        raise LocalLimit("The local account has general purpose buckets, and no others.")
    if constraint is not None and constraint not in location_constraints():
        raise S3Error("InvalidLocationConstraint", LocationConstraint=constraint)
    if region != "us-east-1" and constraint != region:
        message = (
            f"The {constraint or 'unspecified'} location constraint is incompatible for the region specific endpoint "
        )
        raise S3Error("IllegalLocationConstraintException", f"{message}this request was sent to.")
    if ACL != "private" or ObjectOwnership != OWNED:
        raise S3Error("AccessControlListNotSupported")
    region = {None: region, "EU": "eu-west-1"}.get(constraint, constraint)
    with call.objects.lock:
        if call.account.records.get("Bucket", "", Bucket) and call.region == region == "us-east-1":
            return {
                "Location": f"/{Bucket}",
                "BucketArn": f"arn:aws:s3:::{Bucket}",
            }  # there, and only there, the owner may create a bucket again
        call.objects.create_bucket(Bucket, region)
        if wanted.get("Tags"):
            call.objects.change_bucket(Bucket, TagSet=checked_tags(wanted["Tags"], 50))
    return {"Location": f"/{Bucket}", "BucketArn": f"arn:aws:s3:::{Bucket}"}


def HeadBucket(call, Bucket):
    """Tell that a bucket exists, and where."""
    region = call.objects.bucket(Bucket)["BucketRegion"]
    return {"BucketRegion": region, "BucketArn": f"arn:aws:s3:::{Bucket}", "AccessPointAlias": False}


def ListBuckets(call, MaxBuckets=10000, ContinuationToken=None, Prefix="", BucketRegion=None):
    """List the account's buckets by name."""
    found = [
        {name: bucket[name] for name in ("Name", "CreationDate", "BucketRegion")}
        for bucket in call.objects.buckets()
        if bucket["Name"].startswith(Prefix)
        and BucketRegion in (None, bucket["BucketRegion"])
        and (ContinuationToken is None or bucket["Name"] > decoded(ContinuationToken))
    ]
    if not 1 <= MaxBuckets <= 10000:
        raise S3Error("InvalidArgument", "max-buckets must be between 1 and 10000", ArgumentName="max-buckets")
    more = {"ContinuationToken": encoded(found[MaxBuckets - 1]["Name"])} if len(found) > MaxBuckets else {}
    return {"Buckets": found[:MaxBuckets], "Owner": owner(call), "Prefix": Prefix or None, **more}


def DeleteBucket(call, Bucket):
    """Delete an empty bucket."""
    call.objects.delete_bucket(Bucket)


def GetBucketLocation(call, Bucket):
    """Tell the region of a bucket; us-east-1 is told as nothing."""
    region = call.objects.bucket(Bucket)["BucketRegion"]
    return {"LocationConstraint": None if region == "us-east-1" else region}


def GetBucketTagging(call, Bucket):
    """Return the tags of a bucket."""
    return {"TagSet": document(call, Bucket, "TagSet")}


def PutBucketTagging(call, Bucket, Tagging):
    """Replace the tags of a bucket."""
    call.objects.change_bucket(Bucket, TagSet=checked_tags(Tagging["TagSet"], 50))
    return {"_Status": 204}


def DeleteBucketTagging(call, Bucket):
    """Remove the tags of a bucket."""
    call.objects.change_bucket(Bucket, TagSet=None)


def GetBucketPolicy(call, Bucket):
    """Return the policy of a bucket."""
    return {"Policy": document(call, Bucket, "Policy")}


def PutBucketPolicy(call, Bucket, Policy):
    """Replace the policy of a bucket."""
    try:
        statements = json.loads(Policy)["Statement"]
    except (ValueError, TypeError):
        raise S3Error("MalformedPolicy") from None
    except KeyError:
        raise S3Error("MalformedPolicy", "Missing required field Statement") from None
    for statement in statements if isinstance(statements, list) else [statements]:
        if not isinstance(statement, dict) or statement.get("Effect") not in ("Allow", "Deny"):
            raise S3Error("MalformedPolicy", "Missing required field Effect")
        if not {"Principal", "NotPrincipal"} & statement.keys():
            raise S3Error("MalformedPolicy", "Missing required field Principal")
    try:
        read_resource(Policy)
    except AwsError as error:
        raise S3Error("MalformedPolicy", error.message) from None
    call.objects.change_bucket(Bucket, Policy=Policy)
    return {"_Status": 204}


def DeleteBucketPolicy(call, Bucket):
    """Remove the policy of a bucket."""
    call.objects.change_bucket(Bucket, Policy=None)


def GetPublicAccessBlock(call, Bucket):
    """Tell what of the public is kept out: everything, unless it was put otherwise."""
    if "PublicAccessBlockConfiguration" not in call.objects.bucket(Bucket):
        return {"PublicAccessBlockConfiguration": CLOSED}
    return {"PublicAccessBlockConfiguration": document(call, Bucket, "PublicAccessBlockConfiguration")}


def PutPublicAccessBlock(call, Bucket, PublicAccessBlockConfiguration):
    """Say what of the public is kept out; here there is no public, so that all of it is in any case."""
    configuration = {**dict.fromkeys(CLOSED, False), **PublicAccessBlockConfiguration}
    call.objects.change_bucket(Bucket, PublicAccessBlockConfiguration=configuration)


def DeletePublicAccessBlock(call, Bucket):
    """Remove what was said of the public."""
    call.objects.change_bucket(Bucket, PublicAccessBlockConfiguration=None)


def GetBucketOwnershipControls(call, Bucket):
    """Tell who owns the objects: the bucket's owner, for new buckets."""
    if "OwnershipControls" not in call.objects.bucket(Bucket):
        return {"OwnershipControls": {"Rules": [{"ObjectOwnership": OWNED}]}}
    return {"OwnershipControls": document(call, Bucket, "OwnershipControls")}


def PutBucketOwnershipControls(call, Bucket, OwnershipControls):
    """Say that the bucket's owner owns the objects, which is the one rule that this account has."""
    if OwnershipControls["Rules"] != [{"ObjectOwnership": OWNED}]:
        raise S3Error("AccessControlListNotSupported")
    call.objects.change_bucket(Bucket, OwnershipControls=OwnershipControls)


def GetBucketEncryption(call, Bucket):
    """Return how new objects are to be encrypted, if that was said."""
    return {"ServerSideEncryptionConfiguration": document(call, Bucket, "ServerSideEncryptionConfiguration")}


def PutBucketEncryption(call, Bucket, ServerSideEncryptionConfiguration):
    """Say how new objects are to be encrypted; they bear it as if each had asked for it."""
    configuration = ServerSideEncryptionConfiguration
    call.objects.change_bucket(Bucket, ServerSideEncryptionConfiguration=configuration)


def DeleteBucketEncryption(call, Bucket):
    """Remove what was said of encryption."""
    call.objects.change_bucket(Bucket, ServerSideEncryptionConfiguration=None)
    return {"_Status": 204}


def GetBucketAcl(call, Bucket):
    """Return who may do what: the owner, everything."""
    call.objects.bucket(Bucket)
    return grants(call)


def PutBucketAcl(call, Bucket, ACL=None):
    """Accept the one list of grants that there is."""
    call.objects.bucket(Bucket)
    if ACL != "private":
        raise S3Error("AccessControlListNotSupported")


def GetBucketVersioning(call, Bucket):
    """Tell nothing, which means that the bucket never had versions."""
    call.objects.bucket(Bucket)


def GetBucketPolicyStatus(call, Bucket):
    """Tell whether the bucket's policy makes it public; nothing here is."""
    document(call, Bucket, "Policy")
    return {"PolicyStatus": {"IsPublic": False}}


def GetBucketRequestPayment(call, Bucket):
    """Tell who pays for requests."""
    call.objects.bucket(Bucket)
    return {"Payer": "BucketOwner"}


def GetBucketAccelerateConfiguration(call, Bucket):
    """Tell nothing, which means that transfers are not accelerated."""
    call.objects.bucket(Bucket)


def GetBucketLogging(call, Bucket):
    """Tell nothing, which means that access is not logged."""
    call.objects.bucket(Bucket)


def GetBucketNotificationConfiguration(call, Bucket):
    """Tell nothing, which means that nobody is notified."""
    call.objects.bucket(Bucket)


def GetBucketCors(call, Bucket):
    """Tell that there is none."""
    call.objects.bucket(Bucket)
    raise S3Error("NoSuchCORSConfiguration", BucketName=Bucket)


def GetBucketLifecycleConfiguration(call, Bucket):
    """Tell that there is none."""
    call.objects.bucket(Bucket)
    raise S3Error("NoSuchLifecycleConfiguration", BucketName=Bucket)


def GetBucketWebsite(call, Bucket):
    """Tell that there is none."""
    call.objects.bucket(Bucket)
    raise S3Error("NoSuchWebsiteConfiguration", BucketName=Bucket)


def GetBucketReplication(call, Bucket):
    """Tell that there is none."""
    call.objects.bucket(Bucket)
    raise S3Error("ReplicationConfigurationNotFoundError", BucketName=Bucket)


def GetObjectLockConfiguration(call, Bucket):
    """Tell that there is none."""
    call.objects.bucket(Bucket)
    raise S3Error("ObjectLockConfigurationNotFoundError", BucketName=Bucket)


def document(call, bucket, name):
    """Return a document of a bucket, or raise the error that tells of its absence."""
    found = call.objects.bucket(bucket).get(name)
    if found is None:
        raise S3Error(DOCUMENTS[name], BucketName=bucket)
    return found


def checked_tags(tags, most):
    """Return a set of tags if it keeps S3's rules."""
    for tag in tags:
        for member, longest in TAG_LIMITS.items():
            if len(tag[member]) > longest or (member == "Key" and not tag[member]):
                raise S3Error("InvalidTag", f"The Tag{member} you have provided is invalid")
    if len({tag["Key"] for tag in tags}) < len(tags):
        raise S3Error("InvalidTag", "Cannot provide multiple Tags with the same key")
    if len(tags) > most:
        raise S3Error("InvalidTag", f"Object tags cannot be greater than {most}" if most == 10 else None)
    return tags


def grants(call):
    """Return the only list of grants that there is: the owner has full control."""
    grantee = {**owner(call), "Type": "CanonicalUser"}
    return {"Owner": owner(call), "Grants": [{"Grantee": grantee, "Permission": "FULL_CONTROL"}]}


@cache
def location_constraints():
    """Return the regions that a bucket may be created in."""
    return Loader().load_service_model("s3", "service-2")["shapes"]["BucketLocationConstraint"]["enum"]

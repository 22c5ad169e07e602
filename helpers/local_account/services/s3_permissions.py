"""Which permissions a call of S3 needs: several of its operations share one action, and some need two."""

from .permissions_needed import Need
from .s3_objects import source_names

ACTIONS = {  # operation -> action, where it is not "s3:" and the operation's name
    "HeadObject": "GetObject",
    "HeadBucket": "ListBucket",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "ListBuckets": "ListAllMyBuckets",
    "CopyObject": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "UploadPartCopy": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "ListParts": "ListMultipartUploadParts",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "DeleteBucketEncryption": "PutEncryptionConfiguration",
    "GetBucketCors": "GetBucketCORS",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "GetBucketReplication": "GetReplicationConfiguration",
    "GetBucketNotificationConfiguration": "GetBucketNotification",
    "GetBucketAccelerateConfiguration": "GetAccelerateConfiguration",
    "GetObjectLockConfiguration": "GetBucketObjectLockConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
    "DeleteBucketTagging": "PutBucketTagging",
    "DeleteBucketOwnershipControls": "PutBucketOwnershipControls",
}
VERSIONED = ("GetObject", "HeadObject", "DeleteObject")  # have an action of their own where a version is named
PER_KEY = "DeleteObjects"  # asked for each key, while it is done
CONTEXT = {  # condition key -> the member of a request that tells it
    "s3:prefix": "Prefix",
    "s3:delimiter": "Delimiter",
    "s3:max-keys": "MaxKeys",
    "s3:x-amz-acl": "ACL",
    "s3:x-amz-storage-class": "StorageClass",
    "s3:x-amz-server-side-encryption": "ServerSideEncryption",
    "s3:x-amz-server-side-encryption-aws-kms-key-id": "SSEKMSKeyId",
    "s3:x-amz-copy-source": "CopySource",
    "s3:x-amz-metadata-directive": "MetadataDirective",
    "s3:VersionId": "VersionId",
}


def needed(account, operation, parameters):
    """Return the permissions that a call of S3 needs."""
    if operation == PER_KEY:
        return []
    bucket, key = parameters.get("Bucket"), parameters.get("Key")
    name = ACTIONS.get(operation, operation)
    if operation in VERSIONED and "VersionId" in parameters:
        name += "Version"
    context = {"s3:ResourceAccount": [account.id]}
    context |= {key: [str(parameters[member])] for key, member in CONTEXT.items() if member in parameters}
    resource = arn(bucket, key)
    needs = [Need(f"s3:{name}", resource, context)]
    if "CopySource" in parameters:
        source = arn(*source_names(parameters["CopySource"]))
        needs.insert(0, Need("s3:GetObject", source, {"s3:ResourceAccount": [account.id]}))
    if operation in ("PutObject", "CopyObject", "CreateMultipartUpload"):
        needs += [
            Need(f"s3:{action}", resource, context)
            for action, member in (("PutObjectAcl", "ACL"), ("PutObjectTagging", "Tagging"))
            if member in parameters
        ]
    return needs


def of_missing(account, operation, parameters):
    """Return what it takes to be told that an object is not there, if a call asks for one that is not, else None."""
    bucket, key = parameters.get("Bucket"), parameters.get("Key")
    if operation not in ("GetObject", "HeadObject") or account.records.get("Bucket", "", bucket) is None:
        return None
    return Need("s3:ListBucket", arn(bucket, None)) if account.objects.head(bucket, key) is None else None


def arn(bucket, key):
    """Return the ARN of a bucket, or of an object in it."""
    if bucket is None:
        return "*"
    return f"arn:aws:s3:::{bucket}" + (f"/{key}" if key is not None else "")

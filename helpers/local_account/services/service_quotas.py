"""Service Quotas: AWS's defaults for SageMaker, and requests to raise them, which nobody here decides on."""

import json
import uuid

from ..errors import AwsError
from ..protocols import answer
from ..quotas import all_quotas
from .paging import NoPlace, page

SERVICE, NAME = "sagemaker", "Amazon SageMaker"
PAGE = 100
OPEN = ("PENDING", "CASE_OPENED")


async def serve(request, account, caller):
    """Answer a Service Quotas request."""
    return await answer(request, "service-quotas", Operations(account, caller))


class NoSuchResource(AwsError):
    """There is no such service, quota or request."""

    code = "NoSuchResourceException"


class Operations:
    """Service Quotas' operations under botocore's names, in one region."""

    def __init__(self, account, caller):
        self.account, self.region, self.caller = account, caller.region, caller

    def list_services(self, MaxResults=PAGE, NextToken=None):
        return self._page("Services", [{"ServiceCode": SERVICE, "ServiceName": NAME}], NextToken, MaxResults)

    def list_service_quotas(
        self, ServiceCode, MaxResults=PAGE, NextToken=None, QuotaCode=None, QuotaAppliedAtLevel="ACCOUNT"
    ):
        shown = [quota for quota in self._quotas(ServiceCode) if QuotaCode in (None, quota["QuotaCode"])]
        if QuotaAppliedAtLevel == "RESOURCE":  # SageMaker's are of the account
            shown = []
        return self._page("Quotas", shown, NextToken, MaxResults)

    def list_aws_default_service_quotas(self, ServiceCode, MaxResults=PAGE, NextToken=None):
        return self._page("Quotas", self._quotas(ServiceCode), NextToken, MaxResults)

    def get_service_quota(self, ServiceCode, QuotaCode):
        return {"Quota": self._quota(ServiceCode, QuotaCode)}

    def get_aws_default_service_quota(self, ServiceCode, QuotaCode):
        return {"Quota": self._quota(ServiceCode, QuotaCode)}

    def request_service_quota_increase(self, ServiceCode, QuotaCode, DesiredValue):
        quota = self._quota(ServiceCode, QuotaCode)
        if not DesiredValue > quota.get("Value", 0):
            raise AwsError(
                "You must provide a quota value greater than the current quota value.", "IllegalArgumentException"
            )
        now = self.account.clock.now()
        with self.account.records.lock:
            if any(one["QuotaCode"] == QuotaCode and one["Status"] in OPEN for one in self._requests()):
                raise AwsError(
                    "Only one open service quota increase request is allowed per quota.",
                    "ResourceAlreadyExistsException",
                )
            request = {
                **{name: quota[name] for name in ("ServiceCode", "ServiceName", "QuotaCode", "QuotaName", "QuotaArn")},
                **{"Id": uuid.uuid4().hex, "DesiredValue": DesiredValue, "Status": "PENDING"},
                **{"Created": now, "LastUpdated": now, "GlobalQuota": False, "Unit": "None"},
                "Requester": json.dumps({"accountId": self.account.id, "callerArn": self.caller.arn}),
                "QuotaRequestedAtLevel": "ACCOUNT",
            }
            self.account.records.put("QuotaRequest", self.region, request["Id"], request)
        return {"RequestedQuota": request}

    def get_requested_service_quota_change(self, RequestId):
        found = self.account.records.get("QuotaRequest", self.region, RequestId)
        if found is None:
            raise NoSuchResource("The request failed because the specified quota request does not exist.")
        return {"RequestedQuota": found}

    def list_requested_service_quota_change_history(
        self, ServiceCode=None, Status=None, MaxResults=PAGE, NextToken=None, QuotaRequestedAtLevel="ACCOUNT"
    ):
        if ServiceCode:
            self._quotas(ServiceCode)
        return self._history(Status, QuotaRequestedAtLevel, NextToken, MaxResults)

    def list_requested_service_quota_change_history_by_quota(
        self, ServiceCode, QuotaCode, Status=None, MaxResults=PAGE, NextToken=None, QuotaRequestedAtLevel="ACCOUNT"
    ):
        self._quota(ServiceCode, QuotaCode)
        return self._history(Status, QuotaRequestedAtLevel, NextToken, MaxResults, QuotaCode)

    def _history(self, status, level, token, size, code=None):
        found = [
            one
            for one in self._requests()
            if status in (None, one["Status"]) and code in (None, one["QuotaCode"]) and level != "RESOURCE"
        ]
        return self._page("RequestedQuotas", found, token, size)

    def _requests(self):
        requests = self.account.records.all("QuotaRequest", self.region)
        return sorted(requests, key=lambda one: (one["Created"], one["Id"]), reverse=True)

    def _quotas(self, service):
        if service != SERVICE:
            raise NoSuchResource("The request failed because the specified service does not exist.")
        return [self._shown(quota) for quota in all_quotas()]

    def _quota(self, service, code):
        for quota in self._quotas(service):
            if quota["QuotaCode"] == code:
                return quota
        raise NoSuchResource("The request failed because the specified quota does not exist.")

    def _shown(self, quota):
        arn = f"arn:aws:servicequotas:{self.region}:{self.account.id}:{SERVICE}/{quota.code}"
        shown = {
            **{"ServiceCode": SERVICE, "ServiceName": NAME, "QuotaArn": arn, "QuotaCode": quota.code},
            **{"QuotaName": quota.name, "Unit": "None", "GlobalQuota": False, "QuotaAppliedAtLevel": "ACCOUNT"},
            "Adjustable": True if quota.is_of_instances else None,  # of the others we do not know it
        }
        if quota.value is not None:
            return shown | {"Value": quota.value}
        message = "The tables of the course do not know AWS's default for this quota."
        return shown | {"ErrorReason": {"ErrorCode": "SERVICE_QUOTA_NOT_AVAILABLE_ERROR", "ErrorMessage": message}}

    def _page(self, name, items, token, size):
        try:
            items, following = page(items, token, size)
        except NoPlace:
            raise AwsError("The NextToken is not valid.", "InvalidPaginationTokenException") from None
        return {name: items, "NextToken": following}

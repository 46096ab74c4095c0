"""Every code of the table means what it should, and every code that the vendor's SDK lists is in the table."""

from importlib import resources

import pytest
import yaml

from carloan_notify.delivery.codes import answer_codes
from carloan_notify.delivery.providers import tencent
from carloan_notify.records import Outcome
from tests.unit.delivery.providers.tencent import (
    SDK,
    answer,
    error,
    message,
    read_call,
    read_statuses,
    status,
)

CODES: dict[str, dict[str, str]] = yaml.safe_load(
    resources.files(tencent).joinpath("codes.yaml").read_text(encoding="utf-8")
)

NEVER_ASKED = {
    # Applying for signs and templates, which this tool never does.
    "FailedOperation.ForbidAddMarketingTemplates",
    "FailedOperation.MissingSignatureToModify",
    "FailedOperation.MissingTemplateToModify",
    "FailedOperation.SignNumberLimit",
    "FailedOperation.TemplateAlreadyPassedCheck",
    "FailedOperation.TemplateNumberLimit",
    "InvalidParameterValue.ImageInvalid",
    "InvalidParameterValue.InvalidDocumentType",
    "InvalidParameterValue.InvalidInternational",
    "InvalidParameterValue.InvalidSignPurpose",
    "InvalidParameterValue.InvalidSmsType",
    "InvalidParameterValue.InvalidTemplateFormat",
    "InvalidParameterValue.InvalidUsedMethod",
    "InvalidParameterValue.MarketingTemplateWithoutUnsubscribe",
    "InvalidParameterValue.QualificationIdNotFound",
    "InvalidParameterValue.SignAlreadyPassedCheck",
    "InvalidParameterValue.SignExistAndUnapproved",
    "InvalidParameterValue.SignNameLengthTooLong",
    "InvalidParameterValue.TemplateWithDirtyWords",
    "InvalidParameterValue.UnsupportedTemplateVariable",
    # SendMultiGlobalSms.
    "InvalidParameterValue.MultiSmsInfoSetEmpty",
    # Queries, whose codes are shown and never turned into an outcome.
    "InvalidParameterValue.BeginTimeVerifyFail",
    "InvalidParameterValue.EndTimeVerifyFail",
    "InvalidParameterValue.InvalidStartTime",
    "InvalidParameterValue.LimitVerifyFail",
    "InvalidParameterValue.OffsetVerifyFail",
}


def test_every_code_that_the_sdk_lists_is_classified() -> None:
    table = answer_codes("tencent")
    listed = {*SDK["codes"]["sms"], *SDK["codes"]["vms"]}
    assert {code for code in listed if table.get(code) is None} == NEVER_ASKED


@pytest.mark.parametrize(
    ("outcome", "code"), [(outcome, code) for outcome, codes in CODES.items() for code in codes]
)
def test_every_code_of_the_table_reaches_its_outcome(outcome: str, code: str) -> None:
    told = code.replace("*", "SomethingNew")
    (of_number,) = read_statuses(answer({"SendStatusSet": [status("+1", told)]}), [message()])
    assert (of_number.outcome, of_number.code) == (Outcome(outcome), told)
    if outcome != "accepted":
        (of_request,) = read_statuses(answer(error(told)), [message()])
        of_call = read_call(answer(error(told)), message())
        assert (of_request.outcome, of_request.detail) == (Outcome(outcome), CODES[outcome][code])
        assert of_call == of_request


@pytest.mark.parametrize(
    ("outcome", "code"),
    [(outcome, code) for outcome, codes in CODES.items() for code in codes if code != "Ok"],
)
def test_what_is_true_of_one_number_of_a_batch_is_said_of_none(outcome: str, code: str) -> None:
    batch = [message(number) for number in range(3)]
    results = read_statuses(answer(error(code.replace("*", "SomethingNew"))), batch)
    of_one = outcome in {"rejected", "blocked", "not_tonight"}
    assert {r.outcome for r in results} == {Outcome.APART if of_one else Outcome(outcome)}


@pytest.mark.parametrize(
    ("code", "seconds"),
    [
        ("LimitExceeded.PhoneNumberThirtySecondLimit", 30),
        ("LimitExceeded.PhoneNumberOneHourLimit", 3600),
        ("LimitExceeded.PhoneNumberDailyLimit", 0),
    ],
)
def test_a_cap_on_a_number_tells_when_it_is_over(code: str, seconds: float) -> None:
    (by_status,) = read_statuses(answer({"SendStatusSet": [status("+1", code)]}), [message()])
    (by_error,) = read_statuses(answer(error(code)), [message()])
    assert by_status.retry_after_s == by_error.retry_after_s == seconds
    assert by_status.outcome is Outcome.NOT_TONIGHT


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("AuthFailure.SignatureFailure", Outcome.ACCOUNT),
        ("AuthFailure.SecretIdNotFound", Outcome.ACCOUNT),
        ("UnauthorizedOperation.ServiceSuspendDueToArrears", Outcome.ACCOUNT),
        ("FailedOperation.InsufficientBalanceInSmsPackage", Outcome.ACCOUNT),
        ("FailedOperation.InsufficientBalanceInVoicePackage", Outcome.ACCOUNT),
        ("LimitExceeded.AppDailyLimit", Outcome.ACCOUNT),
        ("InternalError.RequestTimeException", Outcome.ACCOUNT),
        ("FailedOperation.SignatureIncorrectOrUnapproved", Outcome.TEMPLATE),
        ("FailedOperation.TemplateUnapprovedOrNotExist", Outcome.TEMPLATE),
        ("FailedOperation.TemplateParamSetNotMatchApprovedTemplate", Outcome.RETRYABLE),
        ("FailedOperation.TemplateIncorrectOrUnapproved", Outcome.RETRYABLE),
        ("UnsupportedOperation.ContainDomesticAndInternationalPhoneNumber", Outcome.REJECTED),
        ("LimitExceeded.AppGlobalDailyLimit", Outcome.NOT_TONIGHT),
        ("FailedOperation.PhoneNumberInBlacklist", Outcome.BLOCKED),
        ("InvalidParameterValue.IncorrectPhoneNumber", Outcome.REJECTED),
        ("InvalidParameterValue.TemplateParameterLengthLimit", Outcome.REJECTED),
        ("LimitExceeded.PhoneNumberDailyLimit", Outcome.NOT_TONIGHT),
        ("LimitExceeded.PhoneNumberSameContentDailyLimit", Outcome.NOT_TONIGHT),
        ("LimitExceeded.PhoneNumberOneHourLimit", Outcome.NOT_TONIGHT),
        ("LimitExceeded.PhoneNumberThirtySecondLimit", Outcome.NOT_TONIGHT),
        ("RequestLimitExceeded", Outcome.THROTTLED),
        ("RequestLimitExceeded.UinLimitExceeded", Outcome.THROTTLED),
        ("InternalError.Timeout", Outcome.UNKNOWN),
        ("InternalError.SendAndRecvFail", Outcome.UNKNOWN),
        ("InternalError", Outcome.UNKNOWN),
    ],
)
def test_the_codes_that_matter_most(code: str, outcome: Outcome) -> None:
    listed = answer_codes("tencent").get(code)
    assert listed is not None
    assert listed.outcome is outcome

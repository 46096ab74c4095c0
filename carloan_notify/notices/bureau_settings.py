"""Options of `credit_bureau`: who counts as told before negative data is reported."""

from pydantic import Field

from carloan_notify.settings import Settings


class CreditBureauSettings(Settings):
    """What counts as told before negative data is reported (`credit-bureau list`)."""

    notices: tuple[str, ...] = Field(
        default=("credit_bureau_notice",),
        min_length=1,
        description=(
            "Notices that tell the borrower that negative data will be reported. Only these count; a plain reminder "
            "does not say it."
        ),
        examples=[["credit_bureau_notice"]],
    )
    days_before: int = Field(
        default=1,
        ge=1,
        description=(
            "Days between delivery and report, at least. The regulation (征信业管理条例 §15) says before and names no "
            "number: 1 is the day before. A lender that leaves time to pay, or to dispute, sets more."
        ),
        examples=[1, 5],
    )
    without_receipt: bool = Field(
        default=False,
        description=(
            "Count a message that the provider accepted and of which no receipt ever came, from the day on which it "
            "was accepted. Only for a provider that sends no receipts: a court asks for proof of delivery."
        ),
        examples=[False],
    )

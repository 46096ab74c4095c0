"""Options of what comes back."""

from pydantic import Field

from carloan_notify.settings import Settings


class ReceiptFileSettings(Settings):
    """The columns of a receipt export downloaded from a provider's portal (CSV, TSV or JSON)."""

    provider: str = Field(description="Name of the provider the file comes from.", examples=["main"])
    reference: str = Field(default="", description="Column with our message id.", examples=["extend"])
    provider_ref: str = Field(default="", description="Column with the provider's id.", examples=["msgid"])
    state: str = Field(description="Column with the state.", examples=["status"])
    delivered: list[str] = Field(description="States that mean delivered.", examples=[["DELIVRD", "成功"]])
    pending: list[str] = Field(
        default=[],
        description="States that say nothing yet; skipped. Others mean undelivered.",
        examples=[["等待回执"]],
    )
    time: str = Field(description="Column with the time of the receipt.", examples=["report_time"])
    time_format: str = Field(
        default="ISO8601", description="Format of the time.", examples=["ISO8601", "%Y/%m/%d %H:%M:%S"]
    )
    time_zone: str = Field(
        default="Asia/Shanghai", description="Zone of times that carry none.", examples=["Asia/Shanghai"]
    )
    encoding: str = Field(
        default="utf-8-sig", description="Encoding of the file.", examples=["utf-8-sig", "gb18030"]
    )
    separator: str = Field(default=",", description="Separator of a CSV file.", examples=[",", "\t"])
    items: str = Field(
        default="",
        description="JSON: the field that holds the list; empty when the file is the list.",
        examples=["data"],
    )


class InboundSettings(Settings):
    """What comes back from providers."""

    pull_days: int = Field(
        default=3, ge=1, le=30, description="`receipts pull` asks for receipts of so many days.", examples=[3]
    )
    receipt_files: dict[str, ReceiptFileSettings] = Field(
        default={},
        description="Kinds of receipt exports, by a name of your choice for `receipts import --kind`.",
    )

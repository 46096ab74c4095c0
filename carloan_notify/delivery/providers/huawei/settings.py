"""Options of Huawei Cloud."""

from typing import Literal, Self

from pydantic import Field, model_validator

from carloan_notify.delivery.provider_settings import ApprovedTemplateSettings, VendorSettings
from carloan_notify.delivery.providers.callbacks import ADDRESS, check_address
from carloan_notify.delivery.providers.credentials import Credential, Secret


class HuaweiSettings(VendorSettings):
    """SMS through Huawei Cloud."""

    type: Literal["huawei"] = Field(description="SMS through Huawei Cloud.", examples=["huawei"])
    app_key: Credential = Field(
        min_length=1, description="APP_Key of the application.", examples=["${HUAWEI_APP_KEY}"]
    )
    app_secret: Secret = Field(min_length=1, description="Its APP_Secret.", examples=["${HUAWEI_APP_SECRET}"])
    sender: str = Field(
        pattern=r"^[A-Za-z0-9]{1,21}$",
        description="Channel number that Huawei assigned to the approved sign.",
        examples=["csms12345678", "8823111111111"],
    )
    templates: list[ApprovedTemplateSettings] = Field(
        default=[], description="Approved templates; the first that words a message is used."
    )
    rate_per_second: float | None = Field(
        default=500,
        gt=0,
        description="Most messages a second; Huawei advises at most 500. Empty for no limit.",
        examples=[500],
    )
    batch_limit: int = Field(
        default=100,
        ge=1,
        le=500,
        description="Most messages in one request, up to 500. A batch that gets no answer is unknown as a whole, "
        "until receipts settle it one by one.",
        examples=[100, 1],
    )
    public_url: str = Field(
        default="",
        pattern=ADDRESS,
        description="Address under which `receipts listen` is reached from outside. Huawei then pushes receipts "
        "to public_url/NAME/push_secret; empty: to the address set in its console, if any.",
        examples=["https://notify.example"],
    )

    @model_validator(mode="after")
    def _callback_is_secret(self) -> Self:
        check_address(self.public_url, self)
        return self

"""Records what Twilio's SDK puts on the wire: `python -m tests.wire.record_twilio` with the `wire` extra.

Twilio signs nothing on the way out and takes one message per request, so time and nonce play no part and a
batch of three is three requests. The signatures are those its RequestValidator computes for callbacks to us.
"""

from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.request_validator import RequestValidator
from twilio.rest import Client
from twilio.twiml.voice_response import VoiceResponse

from tests.wire.loopback import Loopback, Recorded, write_down

FIXTURE: Final = Path(__file__).parents[1] / "data" / "wire" / "twilio.json"
HEADERS: Final = ("accept", "authorization", "content-type")
CALLBACK: Final = "https://notify.example/main/0123456789abcdef"
GIVEN: Final[dict[str, Any]] = {
    "account_sid": "AC" + "0" * 32,
    "auth_token": "made-up-auth-token",
    "sender": "+12025550199",
    "messaging_service_sid": "MG" + "0" * 32,
    "validity_s": 3600,
    "callback": CALLBACK,
    "phones": ["+12025550100", "+12025550101", "+12025550102"],
    "texts": [
        "【安达车贷】张三，您的车贷 + 12.50~13 * 元 & 100% 😀",
        'Say "hi", it\'s due;\nline two <b>&amp;</b>',
        "a/b?c=d&e%20f \\ 反斜线",
    ],
    "references": ["A" * 26, "B" * 26, "C" * 26],
    "language": "cmn-CN",
    "voice": "Polly.Zhiyu",
    "play_times": 2,
    "message_sid": "SM" + "1" * 32,
}


class _ToLoopback(TwilioHttpClient):  # type: ignore[misc]  # the SDK is untyped where it is not installed
    def __init__(self, url: str) -> None:
        super().__init__(timeout=5)
        self._url = url

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Response:
        return super().request(method, url.replace("https://api.twilio.com", self._url), *args, **kwargs)


def _callback(place: int) -> str:
    return f"{CALLBACK}?ref={GIVEN['references'][place]}"


def _message(client: Client, place: int, **sender: str) -> None:
    client.messages.create(
        to=GIVEN["phones"][place],
        body=GIVEN["texts"][place],
        status_callback=_callback(place),
        validity_period=GIVEN["validity_s"],
        **sender,
    )


def _call(client: Client) -> None:
    spoken = VoiceResponse()
    spoken.say(
        GIVEN["texts"][0] + GIVEN["texts"][1],
        voice=GIVEN["voice"],
        loop=GIVEN["play_times"],
        language=GIVEN["language"],
    )
    client.calls.create(
        to=GIVEN["phones"][1],
        from_=GIVEN["sender"],
        status_callback=_callback(1),
        twiml=spoken.to_xml(xml_declaration=False),
    )


def record() -> dict[str, Recorded]:
    """One send from a number, three through a Messaging Service, the queries, and a voice call."""
    with Loopback({"sid": "SM1", "status": "queued", "messages": []}, status=201, headers=HEADERS) as sending:
        client = Client(GIVEN["account_sid"], GIVEN["auth_token"], http_client=_ToLoopback(sending.url))
        _message(client, 0, from_=GIVEN["sender"])
        for place in range(3):
            _message(client, place, messaging_service_sid=GIVEN["messaging_service_sid"])
        _call(client)
    with Loopback({"messages": []}, headers=HEADERS) as asking:
        client = Client(GIVEN["account_sid"], GIVEN["auth_token"], http_client=_ToLoopback(asking.url))
        client.messages(GIVEN["message_sid"]).fetch()
        client.messages.list(to=GIVEN["phones"][0], page_size=1000)
        client.calls.list(to=GIVEN["phones"][0], page_size=1000)
    names = ("one", "batch_1", "batch_2", "batch_3", "call", "query_one", "query_messages", "query_calls")
    return dict(zip(names, [*sending.requests, *asking.requests], strict=True))


def signatures() -> dict[str, str]:
    """Signatures of a callback to the address above, a form in Chinese with a value given twice."""
    validator = RequestValidator(GIVEN["auth_token"])
    form = {"From": GIVEN["phones"][0], "Body": GIVEN["texts"][0], "Empty": ""}
    return {
        "form": validator.compute_signature(_callback(0), form),
        "form_with_port": validator.compute_signature(_callback(0).replace(".example", ".example:443"), form),
    }


if __name__ == "__main__":
    given = GIVEN | {"signatures": signatures()}
    write_down(FIXTURE, f"twilio {version('twilio')}", given, record())

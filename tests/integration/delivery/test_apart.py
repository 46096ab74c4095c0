"""A described batch gateway that refuses a whole request for one number: only that one is lost."""

import json

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from carloan_notify.app import system_clock
from carloan_notify.delivery.gateway.provider import HttpProvider
from carloan_notify.delivery.provider import Provider
from carloan_notify.records import MessageState
from tests.unit.delivery.gateways import batched
from tests.unit.delivery.test_dispatcher import delivery, drain
from tests.unit.delivery.world import FakeOutbox, message

BAD = message(7).phone


def gateway(url: str) -> Provider:
    settings = batched(code="code")
    request = settings.request.model_copy(update={"url": url})
    return HttpProvider("main", settings.model_copy(update={"request": request}), clock=system_clock)


def test_only_the_refused_number_is_lost(httpserver: HTTPServer) -> None:
    asked: list[int] = []

    def serve(request: Request) -> Response:
        items = json.loads(request.get_data())["list"]
        asked.append(len(items))
        if any(item["to"] == BAD for item in items):
            return Response(json.dumps({"code": "1"}))
        results = [{"code": "0", "ref": item["ref"]} for item in items]
        return Response(json.dumps({"code": "0", "results": results}))

    httpserver.expect_request("/").respond_with_handler(serve)
    outbox = FakeOutbox([message(i) for i in range(40)])
    drain(outbox, [gateway(httpserver.url_for("/"))], delivery("main", pace={"concurrency": 1}))
    assert outbox.states() == {MessageState.ACCEPTED: 39, MessageState.REJECTED: 1}
    assert outbox.rows[message(7).message_id].state is MessageState.REJECTED
    assert sorted(asked) == [1] * 10 + [10] * 4

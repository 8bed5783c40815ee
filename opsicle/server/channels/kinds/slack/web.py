"""Slack's Web API with the library `slack_sdk`, whose every request takes our own way out.

The library's own transport takes proxies from the environment, follows redirects and connects wherever a name leads.
This file is the only one that imports it, and is itself imported at the first use: the library takes a while to load.
"""

from __future__ import annotations

import http
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec
from slack_sdk import WebClient
from slack_sdk.web import SlackResponse

from opsicle.server.channels.egress import EgressResponse, EgressScope, post
from opsicle.server.channels.messages import Undelivered
from opsicle.version import __version__

_FINAL = frozenset(
    {"channel_not_found", "user_not_found", "not_in_channel", "is_archived", "cannot_dm_bot", "msg_too_long"}
)
_ERROR_CODE = re.compile(r"[a-z_]{1,60}")


class SlackWeb(WebClient):
    """One token's calls. Each raises Undelivered, which never holds what was sent."""

    def __init__(self, base_url: str, token: str, reach: EgressScope) -> None:
        super().__init__(token=token, base_url=base_url.rstrip("/") + "/", retry_handlers=[])
        self._reach = reach

    def _sync_send(self, api_url: str, req_args: Mapping[str, Any]) -> SlackResponse:
        """What the library calls for every method."""
        headers = dict(req_args.get("headers") or {})
        if req_args.get("json") is not None:
            body, headers["Content-Type"] = json.dumps(req_args["json"]).encode(), "application/json; charset=utf-8"
        else:
            fields = {**(req_args.get("params") or {}), **(req_args.get("data") or {})}
            body, headers["Content-Type"] = urlencode(fields).encode(), "application/x-www-form-urlencoded"
        headers |= {"Authorization": f"Bearer {self.token}", "User-Agent": f"opsicle/{__version__}"}
        answer = post(api_url, body, headers, self._reach)
        said = _decoded(answer)
        if answer.status != http.HTTPStatus.OK or said.get("ok") is not True:
            code = str(said.get("error", ""))
            shown = code if _ERROR_CODE.fullmatch(code) else answer.status
            raise Undelivered(f"Slack answered {shown}", is_final=code in _FINAL)
        return SlackResponse(
            client=self,
            http_verb="POST",
            api_url=api_url,
            req_args={},
            data=said,
            headers={},
            status_code=answer.status,
        )


def _decoded(answer: EgressResponse) -> dict[str, Any]:
    try:
        return msgspec.json.decode(answer.body, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise Undelivered(f"Slack's answer ({answer.status}) cannot be read") from error

"""Messages about how somebody wants to read the pages; see `user_api.py`."""

from __future__ import annotations

from typing import Literal

import msgspec

from opsicle.domain.bounds import Word


class Display(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """How somebody wants to read the pages.

    Without a language as the browser asks, without a time zone in the browser's own. `times` says
    whether one reads how long ago something was, or when exactly; the other stands in its title.
    """

    language: Literal["", "en", "de"] = ""
    time_zone: Word = ""
    times: Literal["relative", "exact"] = "relative"

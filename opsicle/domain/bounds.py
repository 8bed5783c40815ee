"""How long what others send may be, by what it is.

The message's types say it, so that nothing longer is ever decoded.

Whatever is kept is read again by everybody who looks at a list, so every text and every list of a
request has a maximum. Lengths are in characters; where a service knows a narrower rule, it says
that with more words.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

import msgspec

MAX_DOCUMENT_CHARACTERS = 1024 * 1024
MAX_REASON_CHARACTERS = 2_000
MAX_VALUE_CHARACTERS = 64 * 1024
MAX_VALUE_ITEMS = 1_000

Word = Annotated[str, msgspec.Meta(max_length=64)]
"""An id, a code, one of a few words."""

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""A time that says in which zone it is."""

Name = Annotated[str, msgspec.Meta(max_length=256)]
Email = Annotated[str, msgspec.Meta(max_length=320)]
Password = Annotated[str, msgspec.Meta(max_length=1024)]

Token = Annotated[str, msgspec.Meta(max_length=4096)]
"""A join token, a setup token, what stands behind the `#` of a link."""

Description = Annotated[str, msgspec.Meta(max_length=500)]
Reason = Annotated[str, msgspec.Meta(max_length=MAX_REASON_CHARACTERS)]
Rule = Annotated[str, msgspec.Meta(max_length=512)]
Rules = Annotated[list[Rule], msgspec.Meta(max_length=200)]
Document = Annotated[str, msgspec.Meta(max_length=MAX_DOCUMENT_CHARACTERS)]
SecretValue = Annotated[str, msgspec.Meta(max_length=64 * 1024)]
Credential = Annotated[str, msgspec.Meta(max_length=4096)]
Url = Annotated[str, msgspec.Meta(max_length=2000)]
Pem = Annotated[str, msgspec.Meta(max_length=64 * 1024)]
Networks = Annotated[tuple[Word, ...], msgspec.Meta(max_length=64)]

_Text = Annotated[str, msgspec.Meta(max_length=MAX_VALUE_CHARACTERS)]
_Scalar = _Text | bool | int | float
GivenValue = _Scalar | Annotated[list[_Scalar], msgspec.Meta(max_length=MAX_VALUE_ITEMS)]
"""The value of a variable as somebody sends it; `domain/variables.py` knows the rest."""

GivenValues = Annotated[Mapping[Word, GivenValue | None], msgspec.Meta(max_length=100)]
"""By variable; null counts as not given."""

_SettingValue = (
    Annotated[str, msgspec.Meta(max_length=64 * 1024)]
    | bool
    | int
    | Annotated[list[Word], msgspec.Meta(max_length=64)]
)
Settings = Annotated[Mapping[Word, _SettingValue], msgspec.Meta(max_length=32)]
"""The settings of a channel, `kind` among them; `/api/v1/channel-kinds` says what a kind takes."""

LabelPart = Annotated[str, msgspec.Meta(max_length=127)]
Labels = Annotated[dict[LabelPart, LabelPart], msgspec.Meta(max_length=64)]

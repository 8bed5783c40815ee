"""E-mail through an SMTP server.

Always over TLS, the server's certificate checked, the password never before that.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
from email import policy
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from html import escape

from opsicle.server.channels.egress import EgressScope, connect
from opsicle.server.channels.kinds.email import EmailConfig
from opsicle.server.channels.messages import (
    UNWRITABLE,
    Fact,
    Message,
    Undelivered,
    Withheld,
    clean,
    lines_of,
    one_line,
)

MAX_SUBJECT_CHARACTERS = 200

_SENDABLE = policy.SMTP.clone(cte_type="7bit")
"""Lines end as SMTP wants it, and what is not ASCII is encoded: not every server takes 8 bits."""


class Email:
    """Sends each message as text and as simple HTML."""

    def __init__(self, config: EmailConfig, password: str) -> None:
        self._config = config
        self._password = password
        self._reach = EgressScope(config.allow_networks, config.ca_pem)

    def send(self, message: Message) -> None:
        """Send a message; see `Transport`."""
        written = compose(message, self._config.sender)
        try:
            self._send(message.target, written)
        except ssl.SSLCertVerificationError as error:
            raise Undelivered(
                f"the mail server's certificate is not to be trusted: {error.verify_message}"
            ) from error
        except smtplib.SMTPAuthenticationError as error:
            raise Undelivered(
                f"the mail server refused username or password ({error.smtp_code})"
            ) from error
        except smtplib.SMTPNotSupportedError as error:
            raise Undelivered(
                "the mail server does not offer STARTTLS, or no way to log in"
            ) from error
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            raise Undelivered(
                f"the mail server refused the recipient ({codes[0]})", is_final=_is_final(codes[0])
            ) from error
        except smtplib.SMTPResponseException as error:
            is_final = isinstance(error, smtplib.SMTPDataError) and _is_final(error.smtp_code)
            raise Undelivered(
                f"the mail server refused the message ({error.smtp_code})", is_final=is_final
            ) from error
        except TimeoutError as error:
            raise Undelivered("the mail server took too long") from error
        except (OSError, smtplib.SMTPException) as error:
            raise Undelivered(f"the mail server broke off ({type(error).__name__})") from error

    def _send(self, target: str, written: EmailMessage) -> None:
        config = self._config
        with _Smtp(config, self._reach) as smtp:
            if config.security == "starttls":
                smtp.starttls(context=self._reach.tls)
            if config.username:
                smtp.login(config.username, self._password)
            smtp.sendmail(config.sender, [target], written.as_bytes(policy=_SENDABLE))


class _Smtp(smtplib.SMTP):
    """Connects to an address that was judged; with `tls` the handshake comes first."""

    def __init__(self, config: EmailConfig, reach: EgressScope) -> None:
        self._reach = reach
        self._is_tls_first = config.security == "tls"
        domain = config.sender.rpartition("@")[2]
        super().__init__(config.host, config.port, local_hostname=domain)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        connection = connect(host, port, self._reach)
        return (
            self._reach.tls.wrap_socket(connection, server_hostname=host)
            if self._is_tls_first
            else connection
        )


def compose(message: Message, sender: str) -> EmailMessage:
    """Return the e-mail.

    What people wrote adds neither a header nor markup. Raises Undelivered for an impossible
    address.
    """
    written = EmailMessage()
    try:
        written["From"] = Address("Opsicle", addr_spec=sender)
        written["To"] = Address(addr_spec=message.target)
    except (ValueError, IndexError, MessageError) as error:
        raise Withheld(UNWRITABLE, is_final=True) from error
    if not message.target.isascii():
        raise Withheld(UNWRITABLE, is_final=True)

    written["Subject"] = one_line(message.subject)[:MAX_SUBJECT_CHARACTERS]
    written["Date"] = format_datetime(message.at)
    written["Message-ID"] = f"<{message.id}@{sender.rpartition('@')[2]}>"
    written["Auto-Submitted"] = "auto-generated"
    written.set_content(_text(message))
    written.add_alternative(_html(message), subtype="html")
    return written


def _facts(message: Message) -> tuple[Fact, ...]:
    """Return the text of a message, with its link.

    Those who belong to several orgs are told where the link will find it.
    """
    return (*message.facts, Fact("Org", message.org)) if message.org else message.facts


def _text(message: Message) -> str:
    lines = [one_line(message.subject), ""]
    lines += [line for fact in _facts(message) for line in lines_of(fact)]
    lines += ["", message.url] if message.url else []
    return "\n".join(lines) + "\n"


def _html(message: Message) -> str:
    rows = "".join(
        f"<tr><td><b>{escape(fact.label)}</b></td><td>{_markup(fact.text)}</td></tr>"
        for fact in _facts(message)
    )
    link = (
        f'<p><a href="{escape(message.url)}">{escape(message.url)}</a></p>' if message.url else ""
    )
    return f"<h2>{escape(one_line(message.subject))}</h2><table>{rows}</table>{link}\n"


def _markup(text: str) -> str:
    return "<br>".join(escape(line) for line in clean(text).split("\n"))


def _is_final(code: int) -> bool:
    return 500 <= code <= 599

"""What the options of a server need of its machine, looked at before anything is made."""

from __future__ import annotations

import socket

from opsicle.domain.errors import Conflict
from opsicle.security.authority import check_names
from opsicle.server.addresses import Addresses
from opsicle.server.http.wire.sockets import check_addresses
from opsicle.server.http.wire.tls import TLS_VERSIONS, GivenCertificate
from opsicle.server.keys.master_key_file import MasterKeyFile
from opsicle.server.settings import ServerOptions, parse_address


def check_machine(options: ServerOptions) -> None:
    """Raise what starting would raise later.

    For names, addresses, sockets, certificate and key files.

    So a slip in an option leaves no folder with keys behind. Where a server has been already, it is
    said first if one runs, and not that the address is in use.
    """
    check_names(Addresses(options, socket.gethostname()).certificate_names)
    if options.tls_cert and options.tls_key:
        GivenCertificate(options.tls_cert, options.tls_key, TLS_VERSIONS[options.tls_min])
    if options.master_key_file:
        MasterKeyFile.check_named(options.master_key_file)
    addresses = [
        options.listen,
        options.worker_listen,
        *([options.metrics_listen] if options.metrics_listen else []),
    ]

    try:
        check_addresses(map(parse_address, addresses), options.socket_group)
    except Conflict:
        if not (options.data_dir / "lock").exists():
            raise

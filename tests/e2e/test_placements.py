"""The three placements, in network namespaces, with a real service that only workers reach.

    user ──── provider's server ──── worker ──── target

Every arrow is a link of its own; the worker's place takes no connection from outside.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.namespaces import Network, network
from tests.e2e.nginx_jobs import NginxJobs, change_and_fail_to_change
from tests.e2e.targets import Nginx, Postgres
from tests.product import CHECKOUT, Installation, Place, User
from tests.support import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.namespaces, pytest.mark.timeout(300)]

EXAMPLES = CHECKOUT / "examples"
USER, SERVER, WORKER, TARGET = "10.77.0.1", "10.77.0.2", "10.77.0.3", "10.77.0.4"


@pytest.fixture
def net() -> Iterator[Network]:
    with network() as made:
        yield made


def test_fully_managed_the_provider_has_all_but_the_target(net: Network, tmp_path: Path) -> None:
    user, server = net.place("user", USER), net.place("server", SERVER)
    workers, target = net.place("workers", WORKER, outward_only=True), net.place("target", TARGET)
    for one, other in ((user, server), (workers, server), (workers, target)):
        net.link(one, other)
    with (
        Nginx(tmp_path / "nginx", target) as nginx,
        Installation(tmp_path, server, user) as hosting,
    ):
        assert net.can_connect(workers, TARGET, nginx.port)
        assert not net.can_connect(server, TARGET, nginx.port)
        assert not net.can_connect(user, TARGET, nginx.port)
        hosting.worker("shared-1", workers)
        hosting.push((EXAMPLES / "nginx-change-page.yaml").read_text())
        member = hosting.person("carol@example.com", "member")
        change_and_fail_to_change(NginxJobs(member, nginx))


def test_shared_responsibility_the_client_has_worker_and_target(
    net: Network, tmp_path: Path
) -> None:
    user, server = net.place("user", USER), net.place("server", SERVER)
    worker, target = net.place("worker", WORKER, outward_only=True), net.place("target", TARGET)
    for one, other in ((user, server), (worker, server), (worker, target)):
        net.link(one, other)
    with (
        Postgres(tmp_path / "postgres", target) as postgres,
        Installation(tmp_path, server, user) as hosting,
    ):
        assert net.can_connect(worker, TARGET, postgres.port)
        assert not net.can_connect(server, TARGET, postgres.port)
        hosting.worker("client-1", worker, "--label", "site=client")
        hosting.push((EXAMPLES / "postgres-copy-database.yaml").read_text())
        hosting.push((EXAMPLES / "long-task.yaml").read_text())
        member = hosting.person("carol@example.com", "member")
        copies_a_database_and_leaves_the_target_alone_on_failure(member, postgres)
        the_log_arrives_while_the_job_runs(member)


def copies_a_database_and_leaves_the_target_alone_on_failure(
    user: User, postgres: Postgres
) -> None:
    postgres.sql("postgres", "CREATE DATABASE shop")
    postgres.sql("shop", "CREATE TABLE orders (id int PRIMARY KEY, what text)")
    postgres.sql(
        "shop", "INSERT INTO orders SELECT n, 'order ' || n FROM generate_series(1, 5000) AS n"
    )
    address = [f"--var=host={postgres.place.address}", f"--var=port={postgres.port}"]
    copy = [
        "run",
        "postgres-copy-database",
        "--follow",
        *address,
        "--var=source=shop",
        "--var=target=shop_copy",
    ]
    assert "All 1 tables agree" in user.cli(*copy)
    summary = "SELECT count(*) || ' ' || sum(hashtext(what)) FROM orders"
    assert postgres.sql("shop_copy", summary) == postgres.sql("shop", summary)

    postgres.sql("shop_copy", "INSERT INTO orders VALUES (0, 'only in the copy')")
    again = user.attempt(*copy)
    assert again.returncode == 1
    assert "shop_copy exists already" in again.stdout + again.stderr
    assert postgres.sql("shop_copy", "SELECT what FROM orders WHERE id = 0") == "only in the copy"
    assert (
        postgres.sql("postgres", "SELECT count(*) FROM pg_database WHERE datname LIKE '%incoming'")
        == "0"
    )


def the_log_arrives_while_the_job_runs(user: User) -> None:
    following = user.start("follow", "run", "long-task", "--follow")
    try:
        wait_until(lambda: len(following.output().splitlines()) >= 3, 60, "three lines of the log")
        [running] = user.json("automations", "list", "--state", "running")
        cancelled = user.json("automations", "cancel", running["id"])
        assert cancelled["is_cancel_requested"]
        assert following.popen.wait(60) == 11, following.log()
    finally:
        following.kill()
    assert user.json("automations", "show", running["id"])["state"] == "cancelled"


def test_self_hosted_everything_is_at_the_client_and_no_route_leads_out(
    net: Network, tmp_path: Path
) -> None:
    desk, machine = net.place("desk", USER), net.place("machine", SERVER)
    net.link(desk, machine)
    inside = Place(machine.prefix, "127.0.0.1")
    with (
        Nginx(tmp_path / "nginx", inside) as nginx,
        Installation(tmp_path, machine, desk) as client,
    ):
        assert not net.can_connect(desk, SERVER, nginx.port)
        assert not net.can_connect(machine, "192.0.2.1", 443)
        client.worker("here", machine)
        client.push((EXAMPLES / "nginx-change-page.yaml").read_text())
        change_and_fail_to_change(NginxJobs(client.person("carol@example.com", "member"), nginx))

"""The operator's guides, each command of which is run on a machine that is set up by the first.

The machine is this one as far as programs go, with a systemd of its own (`tests/booted.py`), and
the file that users have as /usr/local/bin/opsicle. Commands are run as they stand, in their order;
the tables below say what must be there before one, and what stands for something else.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from shutil import which

import pytest

from tests.booted import Booted, need_systemd
from tests.built_file import built_file
from tests.e2e.namespaces import in_network
from tests.e2e.unpacked import unpack, unpack_for_services
from tests.guides import blocks, commands, elsewhere
from tests.processes import CHECKOUT
from tests.support import wait_until
from tests.worker.fake_kubernetes import FakeKubernetes

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

RELEASED = "opsicle-0.1.0-linux-x86_64"
PASSWORD = "correct horse battery staple"
SETTINGS = "/etc/opsicle/opsicle.toml"
WORKERS_HOME = "/var/lib/opsicle-worker"
PASSPHRASE = "/etc/opsicle/backup-passphrase"
ENDS = ("systemctl disable --now opsicle-worker opsicle-server", "rm -rf /etc", "rm -rf /usr")
TYPED = "script -qefc 'opsicle orgs delete globex' /dev/null <<< globex #"
"""At a terminal, where the command asks for the code."""

TEMPLATE = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: NAME}
spec: {template: {phases: [{name: act, commands: ['COMMAND']}]}}
"""

POD = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: in-pod}
spec:
  template:
    phases: [{name: act, image: alpine, network: true, kubernetes: {}, commands: ["echo in a pod"]}]
"""

SERVES = re.compile(r"opsicle (server|worker) (?!.*--ephemeral)")

Step = Callable[[Booted], object]
NO_NAMES: Mapping[str, Callable[[Booted], str]] = {}
NO_STEPS: Mapping[str, Step] = {}


def follow(
    machine: Booted,
    page: str,
    before: Mapping[str, Step] = NO_STEPS,
    instead: Mapping[str, Callable[[Booted], str]] = NO_NAMES,
    wanted: Callable[[str], bool] = lambda _: True,
    meanwhile: Step = lambda _: None,
) -> dict[str, str]:
    """Run the commands of a page, in their order. Return what each has printed.

    `before`: what is done first, by how the command begins. `instead`: what stands for something
    that only there is, such as an id. A command that serves is stopped once it says `ready`, and
    what is done `meanwhile` is.
    """
    said, left = {}, dict(before)
    for command in filter(wanted, commands(page)):
        if elsewhere(page, command):
            continue
        for beginning in [each for each in left if command.startswith(each)]:
            left.pop(beginning)(machine)
        ours = command
        for theirs in [each for each in instead if each in command]:
            ours = ours.replace(theirs, instead[theirs](machine))
        if serves := SERVES.search(ours):
            ready = f"opsicle {serves[1]} ready"
            said[command] = machine.run_until(ours, ready, lambda: meanwhile(machine))
        else:
            said[command] = machine.do(ours)
    assert not left, "these commands stand in the page no more"
    return said


@pytest.fixture(scope="module")
def machine() -> Iterator[Booted]:
    """Boot a machine that has the file of a release, and what its guide speaks of."""
    need_systemd()
    file = os.environ.get("OPSICLE_UNDER_TEST") or built_file()
    content = Path(file).read_bytes()
    with tempfile.TemporaryDirectory(prefix="opsicle-machine-", dir="/var/tmp") as folder:
        booted = Booted(Path(folder))
        try:
            booted.write(f"/root/{RELEASED}", content)
            booted.write("/root/SHA256SUMS", f"{hashlib.sha256(content).hexdigest()}  {RELEASED}\n")
            booted.write("/etc/hosts", "127.0.0.1 localhost ops.example.com vault\n")
            booted.write("/root/password", PASSWORD)
            unpack(booted, Path(file))
            yield booted
        finally:
            booted.end()


@pytest.fixture(scope="module")
def site(machine: Booted) -> Booted:
    """Return the machine with a server, an admin and a worker: those of the guide."""
    (settings,) = blocks("install", "toml")
    follow(
        machine,
        "install",
        {
            "opsicle service print server": lambda it: it.write(SETTINGS, settings),
            "systemctl enable --now opsicle-server": unpack_for_services,
        },
        wanted=lambda command: not command.startswith(ENDS),
    )
    machine.write(PASSPHRASE, PASSWORD)
    return machine


def run(machine: Booted, command: str, name: str = "act") -> str:
    """Let the worker run a command; what it printed."""
    machine.write(f"/root/{name}.yaml", TEMPLATE.replace("NAME", name).replace("COMMAND", command))
    machine.do(f"opsicle templates push {name}.yaml")
    return machine.try_(f"opsicle run {name} --follow")[1]


def first_id(machine: Booted, listing: str) -> str:
    return str(json.loads(machine.do(f"opsicle -o json {listing}"))[0]["id"])


def ssh_to_vault(machine: Booted) -> None:
    """Let root, and whoever has the key, log in as backup by SSH."""
    machine.do(
        "rm -f /run/nologin; install -d /run/sshd /srv/backup/.ssh; "
        "usermod --shell /bin/sh --home /srv/backup backup; "
        "ssh-keygen -q -t ed25519 -N '' -f .ssh-key; ssh-keygen -A; "
        "cp .ssh-key .ssh/id_ed25519; cp .ssh-key.pub /srv/backup/.ssh/authorized_keys; "
        "chown -R backup /srv/backup; /usr/sbin/sshd"
    )
    # It goes into the background before it listens.
    scan = "ssh-keyscan vault > .ssh/known_hosts && test -s .ssh/known_hosts"
    wait_until(lambda: machine.try_(scan)[0] == 0, 60, "sshd")


def restart(machine: Booted, change: str = "true") -> None:
    """Stop the server, change something, and start it."""
    machine.do(f"systemctl stop opsicle-server; {change}; systemctl start opsicle-server")


def test_jobs_under_the_unit_reach_the_network_and_little_of_the_machine(site: Booted) -> None:
    ssh_to_vault(site)
    site.do("install -o opsicle-worker -m 600 .ssh-key /srv/releases/key; touch /home/seen")

    said = run(
        site,
        "touch /etc/x || echo no /etc; ls /home/seen || echo no home; "
        "ls /proc/1 || echo no process 1; unshare --user true || echo no container; "
        "curl -sS --insecure https://ops.example.com:8443/healthz && echo over HTTP; "
        "ssh -o StrictHostKeyChecking=no -i /srv/releases/key backup@vault id -un; "
        "echo > /srv/releases/one && echo as the drop-in says",
    )

    assert {
        *("no /etc", "no home", "no process 1", "no container"),
        *('{"status":"ok"}over HTTP', "backup", "as the drop-in says"),
    } <= set(said.splitlines())


def test_a_worker_under_the_unit_makes_pods_and_its_jobs_ask_the_cluster(
    site: Booted, tmp_path: Path
) -> None:
    with in_network(Path(f"/proc/{site.pid}/ns/net")):
        cluster = FakeKubernetes(tmp_path)
    with closing(cluster):
        site.write("/usr/local/bin/kubectl", Path(which("kubectl") or "").read_bytes())
        site.write(f"{WORKERS_HOME}/.kube/config", (tmp_path / "config").read_text())
        site.write("/root/pod.yaml", POD)
        site.do(
            f"chmod +x /usr/local/bin/kubectl; chown -R opsicle-worker {WORKERS_HOME}/.kube; "
            "systemctl restart opsicle-worker; opsicle templates push pod.yaml"
        )

        assert "in a pod" in site.do("opsicle run in-pod --follow").splitlines()
        assert "asked" in run(site, "kubectl get pods && echo asked").splitlines()

        site.do(f"test -d {WORKERS_HOME}/.kube/cache; rm /usr/local/bin/kubectl")


@pytest.mark.parametrize("kind", ["server", "worker"])
def test_the_units_that_are_printed_are_hardened(site: Booted, kind: str) -> None:
    told = site.do(f"systemd-analyze security --no-pager opsicle-{kind}")

    (figure,) = re.findall(r"Overall exposure level for \S+: (\S+)", told)
    assert float(figure) <= 2.0


def test_operator(site: Booted) -> None:
    site.do("opsicle orgs create globex --admin gina@example.com")

    follow(
        site,
        "operator",
        instead={
            "06h1wp4a1ax6k31tasb2fb9y9f": lambda it: first_id(it, "announcements list"),
            "opsicle orgs delete globex  ": lambda _: TYPED,
        },
    )


def test_autoscaling(site: Booted) -> None:
    def token(machine: Booted) -> None:
        machine.do(
            "mkdir /run/secrets; "
            "opsicle workers token --uses 2 --label site=ams --to /run/secrets/join"
        )

    follow(
        site,
        "autoscaling",
        {"opsicle worker --ephemeral": token},
        {
            " --totp 123456": lambda _: "",  # whoever has no app has no code
            "--idle-seconds 60": lambda _: "--idle-seconds 1",
            "token ID ": lambda it: f"token {first_id(it, 'workers tokens')} ",
        },
    )


def test_monitoring(site: Booted) -> None:
    for path in (CHECKOUT / "examples/monitoring").iterdir():
        site.write(f"/root/{path.name}", path.read_bytes())

    said = follow(site, "monitoring")

    assert all("SUCCESS" in each for each in said.values())


def test_backup_and_restore(site: Booted) -> None:
    guide = (CHECKOUT / "docs/operations/backup-and-restore.md").read_text()
    units = re.findall(r"`(/etc/systemd/system/\S+)`:\n\n```ini\n(.*?)```", guide, re.DOTALL)
    for name, unit in units:
        site.write(name, unit)

    def lose_all(machine: Booted) -> None:
        machine.do("systemctl start opsicle-backup.service; cp -p /var/lib/opsicle/last-backup .")
        machine.do("systemctl stop opsicle-server; find /var/lib/opsicle -mindepth 1 -delete")

    said = follow(
        site,
        "backup-and-restore",
        {
            "opsicle restore /var/backups/opsicle.age --data-dir": lose_all,
            "opsicle orgs release-queue": lambda it: it.do("systemctl start opsicle-server"),
        },
    )

    assert "its queue is held" in "".join(said.values())
    site.do("test -s /var/backups/opsicle/opsicle.age -a -s /srv/backup/opsicle.age")


def test_checking_and_upgrading(site: Booted) -> None:
    site.do("cp -p /usr/local/bin/opsicle /usr/local/bin/opsicle.new")

    said = follow(
        site,
        "checking-and-upgrading",
        {"opsicle doctor": lambda it: it.do("cp -p last-backup /var/lib/opsicle")},
    )

    (plan,) = [each for command, each in said.items() if command.startswith("opsicle.new")]
    assert "opsicle-server as this program prints it" in plan
    site.do("sed -i /^NoNewPrivileges/d /etc/systemd/system/opsicle-worker.service")
    plan = site.do("opsicle upgrade --check")
    (printing,) = re.findall(r"opsicle-worker .* differs .*: (opsicle .*); systemctl", plan)
    site.do(f"{printing}; systemctl daemon-reload")
    site.do("grep -q ^NoNewPrivileges /etc/systemd/system/opsicle-worker.service")


def test_moving_orgs(site: Booted) -> None:
    def another_server(machine: Booted) -> None:
        restart(
            machine,
            "mv /var/lib/opsicle /var/lib/opsicle.first; "
            "install -d -o opsicle -g opsicle -m 700 /var/lib/opsicle",
        )
        machine.do(
            "mv .config .config.first; opsicle setup --server https://ops.example.com:8443 "
            "--token-file /var/lib/opsicle/setup-token --org initech --email ines@example.com "
            "--password-file /root/password; systemctl stop opsicle-server"
        )

    def log_in_there(machine: Booted) -> None:
        machine.do(
            "systemctl start opsicle-server; opsicle login --email ines@example.com "
            "--server https://ops.example.com:8443 --password-file /root/password"
        )

    site.write("/etc/opsicle/move-passphrase", PASSWORD)
    follow(
        site,
        "moving-orgs",
        {"opsicle orgs import": another_server, "opsicle orgs resume": log_in_there},
    )

    assert "acme" in site.do("opsicle orgs list --all")
    restart(site, "rm -rf /var/lib/opsicle .config; mv /var/lib/opsicle.first /var/lib/opsicle")
    site.do("mv .config.first .config; opsicle orgs resume acme")


def test_moving_the_server(site: Booted) -> None:
    release = "opsicle orgs release-queue"
    assert release in commands("moving-the-server")

    follow(
        site,
        "moving-the-server",
        wanted=lambda command: command != release,
        meanwhile=lambda it: it.do(release),  # while that first start runs, as the guide says
        before={
            "tar --extract": lambda it: it.do("rm -rf /var/lib/opsicle /etc/opsicle"),
            "rm -rf /var/lib": lambda it: it.do("mv /var/lib/opsicle /var/lib/opsicle.moved"),
        },
    )

    site.do("mv /var/lib/opsicle.moved /var/lib/opsicle; systemctl enable --now opsicle-server")
    assert "ran again" in run(site, "echo ran again")


def test_certificates(site: Booted) -> None:
    (settings,) = blocks("certificates", "toml")

    def take_it(machine: Booted) -> None:
        more = settings.removeprefix("[server]\n")
        machine.do(f"cat >> {SETTINGS} <<'END'\n{more}END\nsystemctl restart opsicle-server")

    follow(site, "certificates", {"openssl verify": take_it})

    assert "ops.example.com" in site.do(
        "openssl s_client -connect ops.example.com:8443 </dev/null | openssl x509 -noout -subject"
    )


def test_installing_outlives_a_kill_and_ends_with_taking_it_away(site: Booted) -> None:
    site.do("systemctl reload opsicle-server")
    site.do("systemctl kill --signal=KILL opsicle-server")
    healthy = "curl -sS --fail --insecure https://ops.example.com:8443/healthz"
    wait_until(lambda: site.try_(healthy)[0] == 0, 60, "the server again")
    assert "ran again" in site.do("opsicle run act --follow")

    follow(site, "install", wanted=lambda command: command.startswith(ENDS[:1]))
    results = site.do("systemctl show --property=Result opsicle-server opsicle-worker")
    follow(site, "install", wanted=lambda command: command.startswith(ENDS[1:]))

    assert set(results.split()) == {"Result=success"}
    assert site.try_("opsicle --version")[0] == 127

"""Targets from inventories and SSH configurations: what is taken, and what is said of the rest."""

from __future__ import annotations

import base64
import hashlib
import hmac

import msgspec
import pytest

from opsicle.domain.ansible_parser import read_inventory
from opsicle.domain.errors import InvalidInput
from opsicle.domain.imported_targets import FoundHosts, ImportedTargets, import_targets
from opsicle.domain.known_hosts import KnownHosts
from opsicle.domain.problems import quoted
from opsicle.domain.ssh_configs import read_ssh_config
from opsicle.domain.target_writer import written
from opsicle.domain.template_parser import parse_target
from tests.product import CHECKOUT
from tests.services.targeting import HOST_KEY
from tests.support import require

NOTHING = KnownHosts("")
OTHER_KEY = HOST_KEY[:-4] + "AAAA"

INI = """\
[all:vars]
ansible_user=centos
ansible_password=hunter2-hunter2

[web]
web[01:02].example.com   ; two of them
web1.internal:2222 ansible_host=10.0.0.7 ansible_ssh_user='root'

[frontend:children]
web

[frontend:vars]
ansible_user=front

[windows]
win1 ansible_connection=winrm
"""

YAML = """\
all:
  vars: {ansible_user: debian}
  children:
    web:
      hosts:
        web1: {ansible_host: 10.0.0.7, ansible_port: 2222}
        web2:
          ansible_host: "{{ addresses.web2 }}"
      vars: {ansible_ssh_private_key_file: ~/.ssh/id_web}
    db:
      hosts: {db1: }
      children:
        standby:
          hosts: {db2: {ansible_ssh_common_args: "-J bastion"}}
"""

SSH = """\
Host web1 www.example.com
  HostName 10.0.0.7   # behind the balancer
  Port=2222
Host web2
  HostName %h.example.com
  ProxyJump bastion
Host *.example.com !db.example.com web?
  User deploy
  IdentityFile "~/.ssh/id web"
Match host db1 exec "true"
  User nobody
Host db1
  User postgres
  User second
Include more
Host *
  User everybody
  Port 22
"""


def made(found: FoundHosts, **options: str) -> dict[str, tuple[str, str]]:
    """Return address and secret of each target by name."""
    targets = import_targets(found, NOTHING, **options).targets
    return {target.name: (target.address, target.secret) for target in targets}


def said(imported: ImportedTargets, about: str) -> str:
    return "; ".join(each.message for each in imported.remarks if each.about == about)


def test_an_inventory_in_ini_gives_hosts_with_the_nearest_variables() -> None:
    found = read_inventory(INI.encode())

    assert made(found) == {
        "web01-example-com": ("front@web01.example.com", "ssh-key"),
        "web02-example-com": ("front@web02.example.com", "ssh-key"),
        "web1-internal": ("root@10.0.0.7:2222", "ssh-key"),
    }
    imported = import_targets(found, NOTHING)
    assert imported.targets[0].labels == {"frontend": "group", "web": "group"}
    assert "not reached over SSH but by `winrm`" in said(imported, "win1")
    assert "ansible_password" in said(imported, "")
    assert "hunter2" not in str(imported)


def test_an_inventory_in_yaml_gives_the_same_and_says_what_it_cannot_know() -> None:
    found = read_inventory(YAML.encode())

    assert made(found) == {
        "web1": ("debian@10.0.0.7:2222", "id-web"),
        "web2": ("debian@web2", "id-web"),
        "db1": ("debian@db1", "ssh-key"),
        "db2": ("debian@db2", "ssh-key"),
    }
    imported = import_targets(found, NOTHING)
    assert "made by a template" in said(imported, "web2")
    assert "keep it as the secret id-web" in said(imported, "web1")
    assert "reached through another host (`-J bastion`)" in said(imported, "db2")
    assert imported.targets[3].labels == {"db": "group", "standby": "group"}


def test_groups_within_each_other_end_nothing() -> None:
    found = read_inventory(b"[a:children]\nb\n[b:children]\na\n[b]\nhost\n")

    assert [host.groups for host in found.hosts] == [("a", "b")]


def test_an_ssh_configuration_gives_what_openssh_would_do() -> None:
    imported = import_targets(read_ssh_config(SSH), NOTHING)

    assert {target.name: target.address for target in imported.targets} == {
        "web1": "deploy@10.0.0.7:2222",
        "web2": "deploy@web2.example.com",
        "db1": "postgres@db1",
    }
    assert [target.secret for target in imported.targets] == ["id-web", "id-web", "ssh-key"]
    assert "is the same machine as web1" in said(imported, "www.example.com")
    assert "`ProxyJump bastion`" in said(imported, "web2")
    assert {each.line for each in imported.remarks if not each.about} == {10, 15}


def test_options_on_the_command_line_fill_what_files_leave_open() -> None:
    found = read_ssh_config("Host a\nHost b\n  User root\n  IdentityFile k\n")

    assert made(found, user="deploy", secret="one-key") == {
        "a": ("deploy@a", "one-key"),
        "b": ("root@b", "one-key"),
    }


def test_names_are_made_such_as_targets_have_and_each_once() -> None:
    found = read_ssh_config("Host Web_1\nHost web-1\nHost web.1\nHost -x\nHost ünder\n")

    imported = import_targets(found, NOTHING)

    assert [target.name for target in imported.targets] == ["web-1", "web-1-2", "web-1-3"]
    assert "was called `Web_1`" in said(imported, "web-1")
    assert "is no host" in said(imported, "-x")
    assert "is no host" in said(imported, "ünder")


def test_host_keys_come_from_known_hosts_in_all_its_forms() -> None:
    salt = b"0123456789abcdefghij"
    digest = hmac.digest(salt, b"[hashed.example.com]:2222", hashlib.sha1)
    hashed = f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"
    known = KnownHosts(
        f"# comment\nplain,10.0.0.1 {HOST_KEY} me\n{hashed} {HOST_KEY}\n"
        f"*.example.com,!not.example.com {OTHER_KEY}\n"
        f"@revoked plain {OTHER_KEY}\nplain {OTHER_KEY}\n@cert-authority * {HOST_KEY}\nplain junk\n"
    )

    assert known.keys_of("PLAIN") == known.keys_of("10.0.0.1") == (HOST_KEY,)
    assert known.keys_of("hashed.example.com", 2222) == (HOST_KEY,)
    assert known.keys_of("a.example.com") == (OTHER_KEY,)
    assert known.keys_of("not.example.com") == known.keys_of("plain", 2222) == ()


@pytest.mark.parametrize("source", [b"- a\n- b\n", b"'x': [\n", b"just: text\n\tand a tab: 1\n"])
def test_what_is_no_inventory_is_refused_or_says_that_it_names_nothing(source: bytes) -> None:
    try:
        found = read_inventory(source)
    except InvalidInput:
        return
    assert found.hosts == []
    assert "it names no hosts" in found.remarks[-1].message


def test_real_files_are_read_unchanged_and_what_they_give_can_be_pushed() -> None:
    files = [path for folder in CHECKOUT.parents for path in folder.glob("shared/real/*/*")]
    inventories = [path for path in files if path.parent.name == "inventory"]
    configurations = [path for path in files if path.parent.name == "ssh"]
    require(bool(inventories and configurations), "real inventories and SSH configurations")

    found = {path.name: read_inventory(path.read_bytes()) for path in inventories} | {
        path.name: read_ssh_config(path.read_text()) for path in configurations
    }

    counts = {}
    for name, hosts in found.items():
        imported = import_targets(hosts, NOTHING, user="deploy", secret="ssh-key")
        counts[name] = len(imported.targets)
        assert imported.targets or imported.remarks, name
        for target in imported.targets:
            complete = msgspec.structs.replace(target, host_keys=(HOST_KEY,))
            assert parse_target(written(complete).encode()) == complete
            with pytest.raises(InvalidInput, match="1 mistake") as refused:
                parse_target(written(target).encode())
            assert refused.value.problems[0].path == "spec.hostKeys"
    assert counts["adoptium.yml"] == 87
    assert counts["usegalaxy-eu.ini"] == 33
    assert counts["openshift-hosts.ini"] == 6
    assert counts["lab-devices.config"] == 12
    assert counts["match-complex.config"] == counts["macos-hardened.config"] == 0


@pytest.mark.parametrize("port", ["0", "65536", "-1", "²", "x22", "9" * 5_000])
def test_what_is_no_port_is_said_with_its_line(port: str) -> None:
    ssh_config = read_ssh_config(f"Host web1\n  HostName 10.0.0.1\n  Port {port}\n")
    inventory = read_inventory(f"[web]\nweb1 ansible_port={port}\n".encode())

    for found, line in ((ssh_config, 3), (inventory, 2)):
        imported = import_targets(found, NOTHING)
        assert [target.port for target in imported.targets] == [22]
        [remark] = [each for each in imported.remarks if "is no port" in each.message]
        assert remark.message.startswith(f"{quoted(port)} is no port (1 to 65535): 22 was taken")
        assert remark.line == line


def test_where_no_port_is_said_it_is_that_of_ssh_and_nothing_is_remarked() -> None:
    found = read_ssh_config("Host web1\n")

    assert [host.port for host in found.hosts] == [22]
    assert found.remarks == []

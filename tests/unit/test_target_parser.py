"""Documents of `type: Target`: what is read, and what is refused with its place."""

from __future__ import annotations

import pytest

from opsicle.domain.errors import InvalidInput
from opsicle.domain.ssh_host_keys import fingerprint
from opsicle.domain.targets import Target, TargetSelector, digest
from opsicle.domain.template_parser import parse_target
from tests.services.targeting import HOST_KEY, target_source


def read(*lines: str, **about: str) -> Target:
    return parse_target(target_source(*lines, **about).encode())


def mistake(*lines: str, **about: str) -> tuple[str, str]:
    """Return path and message of the one mistake of a document."""
    with pytest.raises(InvalidInput) as refused:
        read(*lines, **about)
    [problem] = refused.value.problems
    return problem.path, problem.message


def test_a_document_becomes_a_target() -> None:
    target = read(
        "host: 2001:db8::7",
        "port: 2222",
        f'hostKeys: ["{HOST_KEY} root@web1"]',
        'runsOn: {labels: {site: ams}, where: "!old"}',
        "description: the first one",
    )

    assert target == Target(
        name="web1",
        labels={"role": "web"},
        host="2001:db8::7",
        port=2222,
        user="deploy",
        host_keys=(HOST_KEY,),
        secret="web-key",
        runs_on={"site": "ams"},
        runs_on_where="!old",
        description="the first one",
    )
    assert target.address == "deploy@[2001:db8::7]:2222"
    assert fingerprint(HOST_KEY) == "SHA256:R0BRe+HgkLA2No+aMvGGeYmLD0+tSoDw5TSs/dhWGcw"


def test_layout_and_comments_of_a_key_make_no_other_digest() -> None:
    assert digest(read()) == digest(read(f'hostKeys: ["{HOST_KEY}   somebody"]', "port: 22"))
    assert digest(read()) != digest(read("port: 23"))


@pytest.mark.parametrize(
    ("line", "path", "message"),
    [
        ("host: -oProxyCommand=id", "spec.host", "is no host"),
        ("host: deploy@web1", "spec.host", "without user and port"),
        ("host: web1:22", "spec.host", "is no host"),
        ('host: "fe80::1%eth0"', "spec.host", "is no host"),
        ("user: -l", "spec.user", "is no valid name here"),
        ('user: "a b"', "spec.user", "is no valid name here"),
        ("port: 0", "spec.port", "between 1 and 65,535"),
        ("hostKeys: []", "spec.hostKeys", "at least one"),
        ("hostKeys: [ssh-dss AAAA]", "spec.hostKeys[0]", "its type is `ssh-ed25519`"),
        (f"hostKeys: [{HOST_KEY[:-8]}]", "spec.hostKeys[0]", "copy the line anew"),
        (f"hostKeys: [{HOST_KEY[:-1]}ä]", "spec.hostKeys[0]", "copy the line anew"),
        (
            f"hostKeys: [{HOST_KEY.replace('ssh-ed25519', 'ssh-rsa', 1)}]",
            "spec.hostKeys[0]",
            "no key of type ssh-rsa",
        ),
        (f"hostKeys: [{HOST_KEY}, {HOST_KEY} twice]", "spec.hostKeys[1]", "stands twice"),
        ("credential: {}", "spec.credential.secret", "is missing"),
        ("credential: {secret: web-key, key: x}", "spec.credential.key", "unknown field"),
        ("runsOn: {acceptClaimed: true}", "spec.runsOn.acceptClaimed", "unknown field"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(line: str, path: str, message: str) -> None:
    where, what = mistake(line)

    assert where == path
    assert message in what


def test_labels_that_nothing_can_be_compared_with_are_refused() -> None:
    where, what = mistake(labels="role: the web tier")

    assert where == "metadata.labels.role"
    assert "is no value of a target's label" in what


@pytest.mark.parametrize(
    ("selector", "is_meant"),
    [
        (TargetSelector(), True),
        (TargetSelector(labels={"role": "web"}), True),
        (TargetSelector(labels={"role": "web", "site": "fra"}), False),
        (TargetSelector(where="role in (web, db), !old"), True),
        (TargetSelector(where="site"), False),
        (TargetSelector(names=("web2", "web1")), True),
        (TargetSelector(names=("web2",)), False),
        (TargetSelector(labels={"role": "web"}, where="role != web"), False),
        (TargetSelector(labels={"role": "db"}, names=("web1",)), False),
    ],
)
def test_all_that_a_selector_says_must_hold(selector: TargetSelector, is_meant: bool) -> None:
    assert selector.selects("web1", {"role": "web"}) is is_meant

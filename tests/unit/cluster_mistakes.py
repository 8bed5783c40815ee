"""What can be wrong with phases for a cluster: document, path, line, and part of the message."""

from __future__ import annotations

from tests.unit.template_sources import PHASE, in_phase, with_phases

MISTAKES = {
    "a job of slurm in an image": (
        in_phase("image: alpine\nslurm: {}"),
        f"{PHASE}.image",
        10,
        "in a container or as a job of Slurm, not both",
    ),
    "limits of a job of slurm": (
        in_phase("limits: {memoryMiB: 64}\nslurm: {}"),
        f"{PHASE}.limits",
        10,
        "`slurm.memoryMiB`",
    ),
    "a pod without an image": (
        in_phase("kubernetes: {}"),
        f"{PHASE}.kubernetes",
        10,
        "needs an `image`",
    ),
    "a pod without a network": (
        in_phase("image: alpine\nkubernetes: {}"),
        f"{PHASE}.kubernetes",
        11,
        "needs `network: true`",
    ),
    "artifacts of a pod": (
        in_phase("image: alpine\nnetwork: true\nkubernetes: {}\nartifacts: [a]"),
        f"{PHASE}.artifacts",
        13,
        "of which nothing is kept",
    ),
    "a service account that is no name": (
        in_phase("image: alpine\nnetwork: true\nkubernetes: {serviceAccount: A_B}"),
        f"{PHASE}.kubernetes.serviceAccount",
        12,
        "is no name of a service account",
    ),
    "a partition of slurm that would be an option": (
        in_phase('slurm: {partition: "a --requeue"}'),
        f"{PHASE}.slurm.partition",
        10,
        "is no name in Slurm",
    ),
    "less time than slurm can count": (
        in_phase("slurm: {time: 30}"),
        f"{PHASE}.slurm.time",
        10,
        "60",
    ),
    "an unknown option of slurm": (
        in_phase("slurm: {array: 1-9}"),
        f"{PHASE}.slurm.array",
        10,
        "",
    ),
    "a mask in a job of slurm": (
        with_phases("- {name: a, slurm: {}, commands: ['echo x >$OPSICLE_MASK']}"),
        f"{PHASE}.commands[0]",
        8,
        "OPSICLE_MASK",
    ),
}

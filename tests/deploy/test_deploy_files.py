"""The files for engines, clusters and hosts are what their readers accept, and agree with each other and the code."""

import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from container_box import ROOT, read_dockerfile
from watchdog_cli.core.settings import STOP_TIMEOUT_AS_PID1_S
from watchdog_kit.quantities import parse_duration

BIN = Path(sys.executable).parent
DATA = Path(__file__).parents[1] / "data"


def _yaml(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text())


def _says_nothing(*words: str) -> None:
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_dockerfile_is_clean() -> None:
    """hadolint, with the shellcheck in it, has nothing to say."""
    _says_nothing(str(BIN / "hadolint"), "--failure-threshold", "style", "Dockerfile")


def test_old_engines_can_build_and_compose() -> None:
    """Debian 12 has Docker without BuildKit, which knows none of these, and Compose 1.29, which knows no ``name``."""
    instructions = re.sub(r"(?m)^#(?! *syntax).*$", "", (ROOT / "Dockerfile").read_text())
    assert re.findall(r"--(?:chmod|link|mount|network|exclude|parents)\b|<<\w|# *syntax", instructions) == []
    assert set(_yaml("deploy/compose.yaml")) == {"services", "volumes"}


def test_dockerfile_starts_the_watchdog_as_process_1() -> None:
    """Exec form, without a shell that would keep signals to itself; not as root; the tests know every line."""
    image = read_dockerfile()
    assert image.command[:3] == ["watchdog", "run", "--"]
    assert image.healthcheck == ["watchdog", "check", "--docker"]
    assert image.user.partition(":")[0].isdigit()
    assert int(image.user.partition(":")[0]) > 0
    assert image.others == []


def test_healthcheck_is_patient() -> None:
    """A first beat may take its grace, and one probe may take as long as a busy machine needs."""
    options = read_dockerfile().healthcheck_options
    from watchdog_cli.core.policy import Policy

    assert parse_duration(options["start-period"]) >= Policy().heartbeat_timeout_s
    assert parse_duration(options["timeout"]) >= 10
    assert int(options["retries"]) >= 3


def test_image_gets_all_packages_and_nothing_else() -> None:
    """What is copied exists, is let through by .dockerignore, and holds all that the wheel is made of."""
    copied = read_dockerfile().copied
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    let_through = {line[1:] for line in lines if line.startswith("!")}
    assert lines[1] == "*"
    assert set(copied) == let_through
    assert all((ROOT / path).exists() for path in copied)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    needed = {*project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"], "pyproject.toml"}
    needed |= {project["project"]["readme"], *project["project"]["license-files"]}
    assert needed <= set(copied)
    extras = re.findall(r"\[([a-z,]+)\]", (ROOT / "Dockerfile").read_text())
    assert [set(one.split(",")) <= set(project["project"]["optional-dependencies"]) for one in extras] == [
        True
    ]


def test_compose_file_is_accepted() -> None:
    """By the schema of the compose specification."""
    _says_nothing(
        str(BIN / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec", "deploy/compose.yaml"
    )


def test_compose_file_waits_for_the_stop() -> None:
    """The grace is longer than the stop, the root is read-only, logs are bounded, and no other init is in between."""
    service = _yaml("deploy/compose.yaml")["services"]["tracker"]
    assert parse_duration(service["stop_grace_period"]) > STOP_TIMEOUT_AS_PID1_S + 5
    assert service["read_only"] is True
    assert service["restart"] == "unless-stopped"
    assert {"max-size", "max-file"} <= set(service["logging"]["options"])
    assert "init" not in service
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    target = service["volumes"][0].split(":")[1]
    assert target == read_dockerfile().folder


@pytest.mark.parametrize("name", ["claim", "deployment"])
def test_manifest_is_accepted(name: str) -> None:
    """By the schemas of Kubernetes, strictly: an unknown field is an error."""
    _says_nothing(
        *(sys.executable, "-W", "ignore", "-m", "kubernetes_validate", "--strict"),
        f"deploy/kubernetes/{name}.yaml",
    )


def test_manifests_hold_together() -> None:
    """One replica at a time, time to stop, a claim that exists, the image and the user of the image."""
    deployment = _yaml("deploy/kubernetes/deployment.yaml")
    claim = _yaml("deploy/kubernetes/claim.yaml")
    together = _yaml("deploy/kubernetes/kustomization.yaml")
    image = read_dockerfile()
    assert deployment["spec"]["replicas"] == 1
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}
    pod = deployment["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > STOP_TIMEOUT_AS_PID1_S + 5
    assert (
        deployment["spec"]["selector"]["matchLabels"].items()
        <= deployment["spec"]["template"]["metadata"]["labels"].items()
    )
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert volumes["data"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    (box,) = pod["containers"]
    mounts = {mount["mountPath"]: mount["name"] for mount in box["volumeMounts"]}
    assert mounts == {image.folder: "data", "/tmp": "tmp"}
    assert set(mounts.values()) == set(volumes)
    assert str(pod["securityContext"]["runAsUser"]) == image.user.partition(":")[0]
    assert box["image"].partition(":")[0] in {one["name"] for one in together["images"]}
    assert all((ROOT / "deploy/kubernetes" / name).exists() for name in together["resources"])


def test_liveness_never_asks_for_the_program() -> None:
    """A pod is not killed for what its watchdog is about to mend, nor for a probe that was late once."""
    (box,) = _yaml("deploy/kubernetes/deployment.yaml")["spec"]["template"]["spec"]["containers"]
    for probe in (box["startupProbe"], box["livenessProbe"]):
        assert probe["exec"]["command"] == ["watchdog", "check", "--watchdog"]
        assert probe["failureThreshold"] >= 3
    assert box["readinessProbe"]["exec"]["command"] == ["watchdog", "check"]
    assert all(
        box[name]["timeoutSeconds"] >= 10 for name in ("startupProbe", "livenessProbe", "readinessProbe")
    )


def test_render_file_is_accepted() -> None:
    """By the fields and values of Render's own reference, as far as this file uses them."""
    blueprint = _yaml("render.yaml")
    schema = json.loads((DATA / "render_blueprint.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(blueprint)
    for broken in (
        {"healthcheckPath": "/health"},
        {"plan": "huge"},
        {"maxShutdownDelaySeconds": 301},
        {"disk": {}},
    ):
        other = {"services": [blueprint["services"][0] | broken]}
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.Draft202012Validator(schema).validate(other)


def test_render_service_keeps_its_files_and_its_peace() -> None:
    """One instance with a disk, working on that disk; judged by the watchdog, not the tracker; a token."""
    (service,) = _yaml("render.yaml")["services"]
    assert service["numInstances"] == 1
    assert service["healthCheckPath"] == "/health"
    assert service["maxShutdownDelaySeconds"] > 15
    variables = {one["key"]: one for one in service["envVars"]}
    assert variables["WATCHDOG_WEB_TOKEN"]["generateValue"] is True
    assert not {key for key, one in variables.items() if "TOKEN" in key and "value" in one}, (
        "no secret in the file"
    )
    words = shlex.split(service["startCommand"])
    assert words[words.index("cd") + 1] == service["disk"]["mountPath"]
    script = next(word for word in words if word.endswith(".sh")).removeprefix("$here/")
    assert (ROOT / script).exists()


def test_start_script_is_clean() -> None:
    """The shell finds no mistake in it, nor does shellcheck."""
    _says_nothing("sh", "-n", "deploy/run-with-page.sh")
    _says_nothing(str(BIN / "shellcheck"), "deploy/run-with-page.sh")

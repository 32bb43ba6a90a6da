"""deploy/kubernetes: one pod, nobody in it, nothing writable but its state, and every name that is used is defined."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from listener.config.load import load

FOLDER = Path(__file__).parent.parent.parent / "deploy" / "kubernetes"
BASE = FOLDER / "base"
SECRETS = ("support-password", "listener-key", "admin-token")


def kinds():
    listed = yaml.safe_load((BASE / "kustomization.yaml").read_text())["resources"]
    return {one["kind"]: one for name in listed for one in yaml.safe_load_all((BASE / name).read_text())}


KINDS = kinds()


def configuration(tmp_path):
    """As the pod sees it, with the accounts where they lie here."""
    copy = tmp_path / "listener.toml"
    copy.write_text((BASE / "listener.toml").read_text().replace("/etc/listener-accounts", str(BASE / "accounts")))
    return load(copy, check_files=False)


POD = KINDS["StatefulSet"]["spec"]["template"]
(CONTAINER,) = POD["spec"]["containers"]


def test_everything_that_is_needed_is_there():
    assert KINDS.keys() == {"Namespace", "StatefulSet", "Service", "PodDisruptionBudget", "NetworkPolicy"}


def test_there_is_one_pod_and_its_ledger_outlives_it():
    spec = KINDS["StatefulSet"]["spec"]
    assert spec["replicas"] == 1
    (claim,) = spec["volumeClaimTemplates"]
    assert {"name": claim["metadata"]["name"], "mountPath": "/var/lib/listener"} in CONTAINER["volumeMounts"]
    assert spec["serviceName"] == KINDS["Service"]["metadata"]["name"]


def test_nobody_is_in_it_and_nothing_else_can_be_written():
    pod = POD["spec"]["securityContext"]
    assert (pod["runAsNonRoot"], pod["runAsUser"], pod["fsGroup"]) == (True, 65532, 65532)
    assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
    own = CONTAINER["securityContext"]
    assert own == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert POD["spec"]["automountServiceAccountToken"] is False
    assert KINDS["Namespace"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    writable = {mount["name"] for mount in CONTAINER["volumeMounts"] if not mount.get("readOnly")}
    assert writable == {"state", "tmp"}


def test_the_probes_ask_the_probe_address_and_liveness_is_not_readiness(tmp_path):
    config = configuration(tmp_path)
    (port,) = CONTAINER["ports"]
    assert config.admin.probe_bind == f"0.0.0.0:{port['containerPort']}"
    assert config.admin.bind.startswith("127.0.0.1:")
    asked = {name: CONTAINER[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
    assert {name: (get["path"], get["port"]) for name, get in asked.items()} == {
        "startup": ("/livez", port["name"]),
        "liveness": ("/livez", port["name"]),
        "readiness": ("/readyz", port["name"]),
    }
    assert POD["metadata"]["annotations"]["prometheus.io/port"] == str(port["containerPort"])


def test_the_service_and_the_network_let_nothing_in_but_probes():
    assert [port["port"] for port in KINDS["Service"]["spec"]["ports"]] == [8026]
    assert KINDS["NetworkPolicy"]["spec"]["ingress"] == [{"ports": [{"port": 8026}]}]


def test_a_stop_has_time_to_drain():
    assert POD["spec"]["terminationGracePeriodSeconds"] == 75


def test_every_selector_finds_the_pod():
    labels = POD["metadata"]["labels"]
    for kind in ("StatefulSet", "PodDisruptionBudget"):
        assert KINDS[kind]["spec"]["selector"]["matchLabels"] == labels
    assert KINDS["Service"]["spec"]["selector"] == labels
    assert KINDS["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == labels


def test_every_secret_is_a_file_where_the_configuration_looks_for_it():
    mounts = {mount["name"]: mount["mountPath"] for mount in CONTAINER["volumeMounts"]}
    generated = yaml.safe_load((BASE / "kustomization.yaml").read_text())["secretGenerator"][0]["files"]
    there = {f"{mounts['secrets']}/{Path(name).name}" for name in generated}
    said = (BASE / "listener.toml").read_text() + (BASE / "accounts/support.toml").read_text()
    assert {part for part in said.split('"') if part.startswith("/run/")} == there
    assert {Path(name).name for name in there} == set(SECRETS)
    assert not any(mount.get("subPath") for mount in CONTAINER["volumeMounts"]), "would not be renewed"


def test_state_is_expected_but_for_the_first_start(tmp_path):
    assert configuration(tmp_path).listener.expect_state is True
    first = (FOLDER / "first-start" / "listener.toml").read_text().splitlines()
    differing = [one for one in zip((BASE / "listener.toml").read_text().splitlines(), first, strict=True) if one[0] != one[1]]
    assert len(differing) == 1
    assert differing[0][1].startswith("expect_state = false")


# Under CI too: Debian's kubectl (1.20) is too old for a base that is a folder.
@pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl 1.21 or newer is not installed here")
@pytest.mark.parametrize("folder", [".", "first-start"])
def test_kubectl_puts_it_together(folder, tmp_path):
    copy = shutil.copytree(FOLDER, tmp_path / "k")
    for name in SECRETS:
        (copy / "base" / "secrets" / name).write_text("x")
    done = subprocess.run(["kubectl", "kustomize", str(copy / folder)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    made = list(yaml.safe_load_all(done.stdout))
    assert sorted(one["kind"] for one in made) == sorted([*KINDS, "ConfigMap", "ConfigMap", "Secret"])
    (stateful,) = (one for one in made if one["kind"] == "StatefulSet")
    volumes = stateful["spec"]["template"]["spec"]["volumes"]
    named = {v.get("secret", {}).get("secretName") or v.get("configMap", {}).get("name") for v in volumes}
    assert {one["metadata"]["name"] for one in made if one["kind"] in ("ConfigMap", "Secret")} == named - {None}

"""The configuration files of a cluster's programs. Pure: texts out of an instance."""

from __future__ import annotations

import json
from ipaddress import IPv4Network
from typing import Any

import yaml

from .instance import Instance
from .processes import CONTAINERD_SOCKET, COREDNS_READY_PORT

PAUSE_IMAGE = "localhost/pause:1"
GATEWAY = {"name": "kserve-ingress-gateway", "namespace": "kserve"}
DNS_PORT = 5353
# Pods of this product, as Prometheus writes the label, and where they show their metrics unless
# they say otherwise. In Knative's pods the usual port is the queue-proxy's.
PRODUCT_LABEL = "translation_kubeflow_org_model"
METRICS_PORT, METRICS_PORT_IN_KNATIVE = 9090, 8080


def control_plane(instance: Instance) -> dict[str, str]:
    """Return the files of etcd and the API server, by name."""
    policy = {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [{"level": "Metadata"}],
    }
    return {"audit-policy.yaml": yaml.safe_dump(policy)}


def node(instance: Instance) -> dict[str, str]:
    """Return the files of containerd, the kubelet and kube-proxy, by name."""
    return {
        "containerd.toml": containerd(instance),
        "cni/10-bridge.conflist": json.dumps(cni(instance.addresses.pods), indent=1),
        "kubelet.yaml": yaml.safe_dump(kubelet(instance)),
        "kube-proxy.yaml": yaml.safe_dump(kube_proxy(instance)),
    }


def gateway(instance: Instance) -> dict[str, str]:
    """Return the files of Contour and CoreDNS, by name."""
    return {
        "contour.yaml": yaml.safe_dump({"gateway": {"gatewayRef": GATEWAY}}),
        "Corefile": corefile(instance),
    }


def prometheus(instance: Instance) -> dict[str, str]:
    """Return the file of Prometheus, by name."""
    return {"prometheus.yaml": yaml.safe_dump(scraping(instance), sort_keys=False)}


def scraping(instance: Instance) -> dict[str, Any]:
    """Return what Prometheus scrapes: pods that ask for it, and those of this product.

    A pod asks by the annotation `prometheus.io/scrape`, and may name port and path as usual. Its
    labels become labels of its series, beside `namespace` and `pod`.
    """
    meta = "__meta_kubernetes_pod"
    asks, knative = f"{meta}_annotation_prometheus_io", f"{meta}_label_serving_knative_dev_revision"
    # A pod has as many targets as ports; here all of them become one, since nothing tells them
    # apart any more.
    rules = [
        _relabel("keep", [f"{asks}_scrape", f"{meta}_label_{PRODUCT_LABEL}"], "true;.*|.*;.+"),
        _relabel("keep", [f"{meta}_phase"], "Running"),
        _relabel("replace", [f"{meta}_ip"], "(.+)", "__address__", f"$1:{METRICS_PORT}"),
        _relabel(
            "replace",
            [f"{meta}_ip", knative],
            "(.+);.+",
            "__address__",
            f"$1:{METRICS_PORT_IN_KNATIVE}",
        ),
        _relabel("replace", [f"{meta}_ip", f"{asks}_port"], "(.+);(.+)", "__address__", "$1:$2"),
        _relabel("replace", [f"{asks}_path"], "(.+)", "__metrics_path__", "$1"),
        {"action": "labelmap", "regex": f"{meta}_label_(.+)"},
        _relabel("replace", ["__meta_kubernetes_namespace"], "(.+)", "namespace", "$1"),
        _relabel("replace", [f"{meta}_name"], "(.+)", "pod", "$1"),
    ]
    discovery = {"role": "pod", "kubeconfig_file": str(instance.kubeconfig)}
    pods = {"job_name": "pods", "kubernetes_sd_configs": [discovery], "relabel_configs": rules}
    often = {"scrape_interval": "2s", "scrape_timeout": "2s", "evaluation_interval": "2s"}
    return {"global": often, "scrape_configs": [pods]}


def _relabel(
    action: str, sources: list[str], regex: str, target: str = "", value: str = ""
) -> dict[str, Any]:
    rule: dict[str, Any] = {"action": action, "source_labels": sources, "regex": regex}
    return {**rule, "target_label": target, "replacement": value} if target else rule


def containerd(instance: Instance) -> str:
    """Return containerd's settings.

    `restrict_oom_score_adj`: without CAP_SYS_RESOURCE no score may be lowered, and pods would fail.
    """
    return f"""\
version = 2
root = "{instance.images}"
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.internal.v1.opt",
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
]
[grpc]
  address = "{CONTAINERD_SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{instance.config / "cni"}"
"""


def cni(pods: IPv4Network) -> dict[str, Any]:
    """Return the pod network: one bridge, no address translation, so that the host reaches pods."""
    addresses = {
        "type": "host-local",
        "ranges": [[{"subnet": str(pods)}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": "/run/cni-ipam",
    }
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "ipMasq": False,
        "hairpinMode": True,
        "ipam": addresses,
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "0.4.0", "name": "localcluster", "plugins": [bridge, ports]}


def kubelet(instance: Instance) -> dict[str, Any]:
    """Return the kubelet's settings; they fit both versions of control groups."""
    pki = instance.pki
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": "0.0.0.0",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(pki / "kubelet.crt"),
        "tlsPrivateKeyFile": str(pki / "kubelet.key"),
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{instance.cgroup}",
        "cgroupsPerQOS": True,
        "enforceNodeAllocatable": ["pods"],
        "failCgroupV1": False,
        "failSwapOn": False,
        "clusterDNS": [str(instance.addresses.dns)],
        "clusterDomain": "cluster.local",
        "resolvConf": "",
        # The disk is the machine's, and so is the care for its free space.
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "1%",
            "imagefs.available": "1%",
            "nodefs.inodesFree": "1%",
        },
        "imageGCHighThresholdPercent": 100,
        "maxPods": 100,
        "nodeStatusUpdateFrequency": "5s",
        "syncFrequency": "10s",
    }


def kube_proxy(instance: Instance) -> dict[str, Any]:
    """Return kube-proxy's settings; it leaves the machine's connection tracking as it is."""
    ours = instance.addresses
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clientConnection": {"kubeconfig": str(instance.config / "kube-proxy.kubeconfig")},
        "clusterCIDR": str(ours.pods),
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
        "bindAddress": "127.0.0.1",
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        "nodePortAddresses": [str(ours.link)],
    }


def corefile(instance: Instance) -> str:
    """Return the name server's settings: names of the cluster and no others."""
    return f"""\
.:{DNS_PORT} {{
  errors
  ready {instance.addresses.node}:{COREDNS_READY_PORT}
  kubernetes cluster.local in-addr.arpa {{
    kubeconfig {instance.kubeconfig} {instance.name}
  }}
  cache 5
}}
"""

"""The command line of every program of a cluster. Pure: nothing is started here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from .control import ProcessSpec
from .instance import PROMETHEUS_PORT, Instance

SERVICE_ACCOUNT_ISSUER = "https://kubernetes.default.svc.cluster.local"
CONTAINERD_SOCKET = Path("/run/containerd/containerd.sock")
ENVOY_ADMIN_SOCKET = "/run/envoy-admin.sock"
XDS_PORT = 8001
KSERVE_HEALTH_PORT = 8481
COREDNS_READY_PORT = 8181

Find = Callable[[str], Path]


def _spec(
    instance: Instance, name: str, argv: list[object], env: Mapping[str, str] | None = None
) -> ProcessSpec:
    log = str(instance.logs / f"{name}.log")
    return ProcessSpec(name, tuple(map(str, argv)), log, env or {})


def etcd(instance: Instance, find: Find) -> ProcessSpec:
    """Return etcd. It does not wait for the disk: a crash of the machine may cost its data."""
    client, peer = "http://127.0.0.1:2379", "http://127.0.0.1:2380"
    return _spec(
        instance, "etcd",
        [
            find("etcd"), f"--data-dir={instance.data / 'etcd'}", "--log-level=warn",
            f"--listen-client-urls={client}", f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}", "--unsafe-no-fsync",
        ],
    )  # fmt: skip


def kube_apiserver(instance: Instance, find: Find) -> ProcessSpec:
    """Return the API server; with `audit` it writes who did what, without contents."""
    pki, ours = instance.pki, instance.addresses
    audit = [
        f"--audit-policy-file={instance.config / 'audit-policy.yaml'}",
        f"--audit-log-path={instance.audit_log}",
    ]
    return _spec(
        instance, "kube-apiserver",
        [
            find("kube-apiserver"), "--etcd-servers=http://127.0.0.1:2379",
            f"--advertise-address={ours.node}", "--secure-port=6443",
            f"--service-cluster-ip-range={ours.services}", "--allow-privileged=true",
            "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
            f"--client-ca-file={pki / 'ca.crt'}", f"--tls-cert-file={pki / 'apiserver.crt'}",
            f"--tls-private-key-file={pki / 'apiserver.key'}", "--profiling=false",
            f"--service-account-issuer={SERVICE_ACCOUNT_ISSUER}",
            f"--service-account-key-file={pki / 'sa.pub'}",
            f"--service-account-signing-key-file={pki / 'sa.key'}",
            f"--kubelet-client-certificate={pki / 'apiserver-kubelet-client.crt'}",
            f"--kubelet-client-key={pki / 'apiserver-kubelet-client.key'}",
            f"--kubelet-certificate-authority={pki / 'ca.crt'}",
            "--kubelet-preferred-address-types=InternalIP",
            f"--requestheader-client-ca-file={pki / 'front-proxy-ca.crt'}",
            "--requestheader-allowed-names=front-proxy-client",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-username-headers=X-Remote-User",
            f"--proxy-client-cert-file={pki / 'front-proxy-client.crt'}",
            f"--proxy-client-key-file={pki / 'front-proxy-client.key'}",
            *(audit if instance.audit else []),
        ],
    )  # fmt: skip


def kube_controller_manager(instance: Instance, find: Find) -> ProcessSpec:
    """Return the controllers. Volumes are bound within a second rather than fifteen."""
    pki, ours = instance.pki, instance.addresses
    return _spec(
        instance, "kube-controller-manager",
        [
            find("kube-controller-manager"), "--bind-address=127.0.0.1", "--leader-elect=false",
            f"--kubeconfig={instance.config / 'controller-manager.kubeconfig'}",
            "--use-service-account-credentials=true", f"--root-ca-file={pki / 'ca.crt'}",
            f"--service-account-private-key-file={pki / 'sa.key'}",
            f"--cluster-signing-cert-file={pki / 'ca.crt'}",
            f"--cluster-signing-key-file={pki / 'ca.key'}", "--allocate-node-cidrs=true",
            f"--cluster-cidr={ours.pods}", f"--node-cidr-mask-size={ours.pods.prefixlen}",
            f"--service-cluster-ip-range={ours.services}", "--pvclaimbinder-sync-period=1s",
        ],
    )  # fmt: skip


def kube_scheduler(instance: Instance, find: Find) -> ProcessSpec:
    """Return the scheduler."""
    return _spec(
        instance, "kube-scheduler",
        [
            find("kube-scheduler"), "--bind-address=127.0.0.1", "--leader-elect=false",
            f"--kubeconfig={instance.config / 'scheduler.kubeconfig'}",
        ],
    )  # fmt: skip


def containerd(instance: Instance, _find: Find) -> ProcessSpec:
    """Return the container runtime, Debian's."""
    return _spec(
        instance, "containerd", ["containerd", "--config", instance.config / "containerd.toml"]
    )


def kubelet(instance: Instance, find: Find) -> ProcessSpec:
    """Return the kubelet."""
    return _spec(
        instance, "kubelet",
        [
            find("kubelet"), f"--config={instance.config / 'kubelet.yaml'}",
            f"--kubeconfig={instance.config / 'kubelet.kubeconfig'}",
            f"--hostname-override={instance.node_name}", f"--node-ip={instance.addresses.node}",
        ],
    )  # fmt: skip


def kube_proxy(instance: Instance, find: Find) -> ProcessSpec:
    """Return the proxy that makes ClusterIPs work."""
    return _spec(
        instance, "kube-proxy",
        [
            find("kube-proxy"), f"--config={instance.config / 'kube-proxy.yaml'}",
            f"--hostname-override={instance.node_name}",
        ],
    )  # fmt: skip


def kserve_manager(instance: Instance, find: Find) -> ProcessSpec:
    """Return KServe's manager, with the rights of its own ServiceAccount.

    It looks for its webhook's certificate below the folder for temporary files.
    """
    return _spec(
        instance, "kserve-manager",
        [
            find("kserve-manager"), "--metrics-addr=127.0.0.1:8480", "--webhook-port=9443",
            f"--health-probe-addr={instance.addresses.node}:{KSERVE_HEALTH_PORT}",
        ],
        {
            "KUBECONFIG": str(instance.config / "kserve.kubeconfig"),
            "POD_NAMESPACE": "kserve",
            "TMPDIR": str(instance.config / "kserve"),
        },
    )  # fmt: skip


def contour(instance: Instance, find: Find) -> ProcessSpec:
    """Return the gateway's controller; kinds of routes that are not installed are switched off."""
    absent = ("tcproutes", "tlsroutes", "grpcroutes", "backendtlspolicies")
    return _spec(
        instance, "contour",
        [
            find("contour"), "serve", "--no-incluster", f"--kubeconfig={instance.kubeconfig}",
            f"--config-path={instance.config / 'contour.yaml'}", "--insecure",
            "--xds-address=127.0.0.1", f"--xds-port={XDS_PORT}", "--disable-leader-election",
            *(f"--disable-feature={kind}" for kind in absent),
            f"--ingress-status-address={instance.addresses.node}",
            "--envoy-service-http-address=0.0.0.0", "--http-address=127.0.0.1", "--http-port=8490",
            "--health-address=127.0.0.1", "--health-port=8491", "--stats-address=127.0.0.1",
            "--debug-http-address=127.0.0.1",
        ],
    )  # fmt: skip


def envoy(instance: Instance, program: Path) -> ProcessSpec:
    """Return the gateway's proxy."""
    return _spec(
        instance, "envoy",
        [
            program, "--config-path", instance.config / "envoy.json", "--log-level", "warn",
            "--service-cluster", "local", "--service-node", "local", "--concurrency", "1",
            "--disable-hot-restart",
        ],
    )  # fmt: skip


def coredns(instance: Instance, find: Find) -> ProcessSpec:
    """Return the cluster's name server."""
    return _spec(instance, "coredns", [find("coredns"), "-conf", instance.config / "Corefile"])


def prometheus(instance: Instance, find: Find) -> ProcessSpec:
    """Return Prometheus, for the host and for pods. A configuration that changed can be reloaded.

    It keeps two hours and waits for nothing: its data serves a test or a demo.
    """
    return _spec(
        instance, "prometheus",
        [
            find("prometheus"), f"--config.file={instance.config / 'prometheus.yaml'}",
            f"--storage.tsdb.path={instance.data / 'prometheus'}",
            "--storage.tsdb.retention.time=2h", f"--web.listen-address=0.0.0.0:{PROMETHEUS_PORT}",
            f"--web.external-url={instance.prometheus_url}", "--web.enable-lifecycle",
            "--log.level=warn",
        ],
    )  # fmt: skip

"""Keys, certificates and kubeconfigs of one instance, signed by authorities of its own."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .instance import Instance

VALID = timedelta(days=365)
RENEW_BEFORE = timedelta(days=60)
LOOPBACK = IPv4Address("127.0.0.1")
SERVICE_NAMES = (
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)
# Users whose kubeconfigs are written, and the names that Kubernetes' roles give rights to.
USERS = ("admin", "controller-manager", "scheduler", "kube-proxy", "kubelet", "kserve")


@dataclass(frozen=True)
class Authority:
    """A certificate authority in memory."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate


@dataclass(frozen=True)
class Identity:
    """Whom a certificate is for, and under which names and addresses it is reached."""

    name: str
    common_name: str
    organization: str = ""
    reached_as: tuple[str, ...] = ()
    authority: str = "ca"


def identities(instance: Instance) -> list[Identity]:
    """Return every certificate that a cluster needs."""
    ours = instance.addresses
    local = ("localhost", str(LOOPBACK))
    node = str(ours.node)
    return [
        Identity(
            "apiserver", "kube-apiserver",
            reached_as=(*SERVICE_NAMES, *local, node, str(ours.kubernetes)),
        ),
        Identity("apiserver-kubelet-client", "kube-apiserver-kubelet-client", "system:masters"),
        Identity("front-proxy-client", "front-proxy-client", authority="front-proxy-ca"),
        Identity(
            "kubelet", f"system:node:{instance.node_name}", "system:nodes",
            (instance.node_name, node, str(LOOPBACK)),
        ),
        Identity("admin", "admin", "system:masters"),
        Identity("controller-manager", "system:kube-controller-manager", reached_as=local),
        Identity("scheduler", "system:kube-scheduler", reached_as=local),
        Identity("kube-proxy", "system:kube-proxy"),
        # The name of KServe's ServiceAccount: its own roles apply, and no others.
        Identity("kserve", "system:serviceaccount:kserve:kserve-controller-manager"),
        Identity("webhook", "webhook", reached_as=(*local, node)),
    ]  # fmt: skip


def ensure(instance: Instance) -> None:
    """Write all keys, certificates and kubeconfigs, unless they are there and hold for a while."""
    made_for = {"network": str(instance.addresses.network), "name": instance.name}
    marker = instance.pki / "made.json"
    if marker.exists():
        record = json.loads(marker.read_text())
        fresh = datetime.fromisoformat(record.pop("at")) + VALID - RENEW_BEFORE > datetime.now(UTC)
        if record == made_for and fresh:
            return
    for folder in (instance.pki, instance.config):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
    authorities = {name: _authority(instance.pki, name) for name in ("ca", "front-proxy-ca")}
    for identity in identities(instance):
        _certificate(instance.pki, identity, authorities[identity.authority])
    _service_account_keys(instance.pki)
    for user in USERS:
        _write_kubeconfig(instance, user)
    made_at = datetime.now(UTC).isoformat()
    marker.write_text(json.dumps({**made_for, "at": made_at}))


def _authority(folder: Path, name: str) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        _builder(subject, subject, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_key_usage(authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _save(folder, name, key, certificate)
    return Authority(key, certificate)


def _certificate(folder: Path, identity: Identity, authority: Authority) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.NameAttribute(NameOID.COMMON_NAME, identity.common_name)]
    if identity.organization:
        names.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, identity.organization))
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    builder = (
        _builder(x509.Name(names), authority.certificate.subject, key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()),
            critical=False,
        )
    )
    if identity.reached_as:
        reached = x509.SubjectAlternativeName([_general_name(each) for each in identity.reached_as])
        builder = builder.add_extension(reached, critical=False)
    _save(folder, identity.name, key, builder.sign(authority.key, hashes.SHA256()))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # Some minutes back: clocks that are set a little late do not refuse it.
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + VALID)
    )


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True, key_encipherment=False, key_cert_sign=authority,
        crl_sign=authority, content_commitment=False, data_encipherment=False,
        key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _service_account_keys(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    _write_secret(folder / "sa.key", _pem(key))
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (folder / "sa.pub").write_bytes(public)


def _save(
    folder: Path, name: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate
) -> None:
    _write_secret(folder / f"{name}.key", _pem(key))
    (folder / f"{name}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write_secret(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_bytes(content)


def kubeconfig(server: str, name: str, authority: bytes, certificate: bytes, key: bytes) -> str:
    """Return a kubeconfig with one cluster and one user (JSON, which is YAML too)."""

    def encoded(content: bytes) -> str:
        return base64.b64encode(content).decode()

    cluster = {"server": server, "certificate-authority-data": encoded(authority)}
    user = {"client-certificate-data": encoded(certificate), "client-key-data": encoded(key)}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
    }
    return json.dumps(document, indent=1) + "\n"


def _write_kubeconfig(instance: Instance, user: str) -> None:
    parts = ("ca.crt", f"{user}.crt", f"{user}.key")
    authority, certificate, key = ((instance.pki / part).read_bytes() for part in parts)
    text = kubeconfig(instance.server, instance.name, authority, certificate, key)
    target = instance.kubeconfig if user == "admin" else instance.config / f"{user}.kubeconfig"
    _write_secret(target, text.encode())

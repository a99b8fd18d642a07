"""Text in buckets: against servers that fail on purpose, and against one that speaks all of S3."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.corpus.numbered import LONG, MANY, MIDDLE, ROWS, TEXT, read
from tests.corpus.servers import Page, Site, moto_server
from tests.corpus.tables import table, zst

from mt_contract.errors import ConfigurationError, DataError, ProgramError, StorageError
from mt_contract.resource import Fields
from mt_corpus import buckets
from mt_corpus.files import File
from mt_corpus.reading import read_rows
from mt_corpus.rows import Row


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials and endpoint as a Job has them, and no others of this machine."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/none")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/none")


@pytest.fixture
def s3(site: Site, monkeypatch: pytest.MonkeyPatch) -> Page:
    monkeypatch.setenv("AWS_ENDPOINT_URL", site.url)
    site.pages["/bucket/data/train.tsv"] = Page(TEXT)
    return site.pages["/bucket/data/train.tsv"]


@pytest.fixture
def gs(site: Site, monkeypatch: pytest.MonkeyPatch) -> tuple[Page, Page]:
    """What Google's JSON API says of an object, and the object."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", site.url)
    told = {
        "kind": "storage#object",
        "bucket": "bucket",
        "name": "data/train.tsv",
        "size": str(len(TEXT)),
        "generation": "1",
        "metageneration": "1",
        "updated": "2026-11-21T12:00:00Z",
    }
    path = "/storage/v1/b/bucket/o/data%2Ftrain.tsv"
    site.pages[path] = Page(json.dumps(told).encode(), type="application/json")
    site.pages[f"{path}?alt=media"] = Page(TEXT)
    return site.pages[path], site.pages[f"{path}?alt=media"]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({}, id="none"),
        pytest.param({"statuses": [500, 503]}, id="errors that pass"),
        pytest.param({"cuts": [len(TEXT) // 2]}, id="a connection that is lost"),
    ],
)
def test_text_of_s3_arrives_whole(s3: Page, change: dict[str, list[int]]) -> None:
    vars(s3).update(change)
    assert read("s3://bucket/data/train.tsv") == ROWS
    assert not s3.statuses
    assert not s3.cuts


def test_what_is_public_needs_no_credentials(
    s3: Page, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    buckets.amazon.cache_clear()
    assert read("s3://bucket/data/train.tsv") == ROWS
    assert {request.authorization for request in site.requests} == {None}


def test_a_role_of_the_service_account_is_taken(
    s3: Page, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = {"AccessKeyId": "ROLE", "SecretAccessKey": "s", "Token": "t"}
    role["Expiration"] = "2126-11-21T12:00:00Z"
    site.pages["/role"] = Page(json.dumps(role).encode(), type="application/json")
    (tmp_path / "token").write_text("of the service account")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{site.url}/role")
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(tmp_path / "token"))
    buckets.amazon.cache_clear()
    assert read("s3://bucket/data/train.tsv") == ROWS
    signed = [one.authorization for one in site.requests if one.path.startswith("/bucket")]
    assert all("Credential=ROLE/" in (authorization or "") for authorization in signed)


def test_text_of_google_arrives_whole(gs: tuple[Page, Page]) -> None:
    assert read("gs://bucket/data/train.tsv") == ROWS


def test_a_connection_to_google_that_is_lost_is_made_anew(
    gs: tuple[Page, Page], site: Site
) -> None:
    gs[0].content = gs[0].content.replace(str(len(TEXT)).encode(), str(len(LONG)).encode())
    gs[1].content = LONG
    gs[1].cuts.append(MIDDLE)
    assert read("gs://bucket/data/train.tsv") == MANY
    assert site.parts()


FAILURES = [
    pytest.param(403, ConfigurationError, "may not be read", id="forbidden"),
    pytest.param(404, DataError, "does not exist, nor perhaps its bucket", id="no such file"),
]
STAYS = pytest.param(503, StorageError, "in 4 attempts", id="errors that stay")
STAYS_SLOWLY = pytest.param(*STAYS.values, id=STAYS.id, marks=pytest.mark.slow)


@pytest.mark.parametrize(("status", "error", "message"), [*FAILURES, STAYS])
def test_what_s3_refuses_is_told(
    s3: Page, status: int, error: type[ProgramError], message: str
) -> None:
    s3.refuses = status
    with pytest.raises(error, match=message):
        read("s3://bucket/data/train.tsv")


@pytest.mark.parametrize(
    "status",
    [
        pytest.param(301, id="another region"),
        pytest.param(400, id="a request that is not understood"),
    ],
)
def test_a_bucket_elsewhere_asks_for_region_and_endpoint(s3: Page, status: int) -> None:
    s3.refuses = status
    with pytest.raises(ConfigurationError, match="AWS_ENDPOINT_URL and AWS_REGION"):
        read("s3://bucket/data/train.tsv")


@pytest.mark.parametrize(("status", "error", "message"), [*FAILURES, STAYS_SLOWLY])
def test_what_google_refuses_is_told(
    gs: tuple[Page, Page],
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    error: type[ProgramError],
    message: str,
) -> None:
    monkeypatch.setattr(buckets, "_CONNECT", 0.1)
    buckets.google.cache_clear()
    gs[0].refuses = status
    with pytest.raises(error, match=message):
        read("gs://bucket/data/train.tsv")


def test_a_table_of_s3_is_read_in_parts(s3: Page, site: Site) -> None:
    size = 5_000
    columns = {name: [f"{name} {n}" for n in range(size)] for name in ("source", "target", "more")}
    s3.content = table(**columns)
    rows = list(read_rows(File("s3://bucket/data/train.tsv", "s3://bucket/data/train.tsv")))
    assert (rows[0], len(rows)) == (Row(1, "source 0", "target 0"), size)
    assert len(site.parts()) > 1


@pytest.fixture(scope="module")
def moto(unused_tcp_port_factory: Callable[[], int]) -> Iterator[str]:
    with moto_server(unused_tcp_port_factory()) as url:
        yield url


@pytest.mark.slow
def test_a_bucket_of_s3(moto: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from pyarrow.fs import S3FileSystem

    monkeypatch.setenv("AWS_ENDPOINT_URL", moto)
    objects = {
        "team/train.tsv": TEXT,
        "team/train.tsv.zst": zst(TEXT),
        "team/a name with spaces + signs.jsonl": b'{"pt": "um", "en": "one"}\n',
        "team/train.parquet": table(pt=["um"], en=["one"]),
    }
    writer = S3FileSystem(endpoint_override=moto, region="us-east-1", allow_bucket_creation=True)
    writer.create_dir("corpora")
    for key, content in objects.items():
        with writer.open_output_stream(f"corpora/{key}", compression=None) as stream:
            stream.write(content)
    assert read("s3://corpora/team/train.tsv") == ROWS
    assert read("s3://corpora/team/train.tsv.zst") == ROWS
    for key in list(objects)[2:]:
        file = File(key, f"s3://corpora/{key}", fields=Fields("pt", "en"))
        assert list(read_rows(file)) == [Row(1, "um", "one")]
    for uri in ("s3://corpora/team/none.tsv", "s3://none/train.tsv"):
        with pytest.raises(DataError, match="does not exist"):
            read(uri)
    with pytest.raises(DataError, match="is a folder"):
        read("s3://corpora/team")

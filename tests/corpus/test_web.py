"""Text behind HTTP: what is borne (lost connections, servers of all kinds), what is refused."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.corpus.numbered import LONG, MANY, MIDDLE, ROWS, TEXT, read
from tests.corpus.servers import Page, Site, certificate, serving
from tests.corpus.tables import table

from mt_contract.errors import ConfigurationError, DataError, ProgramError, StorageError
from mt_corpus import places, steady, web
from mt_corpus.files import File
from mt_corpus.reading import read_rows
from mt_corpus.rows import Row


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(Page(TEXT), id="a good server"),
        pytest.param(Page(gzip.compress(TEXT)), id="packed"),
        pytest.param(Page(TEXT, sized=False), id="a size that is not told"),
        pytest.param(Page(TEXT, statuses=[503, 429]), id="errors that pass"),
        pytest.param(Page(TEXT, statuses=[500], cuts=[0]), id="errors of two kinds"),
        pytest.param(
            Page(gzip.compress(TEXT), encoding="gzip"), id="a server that packs what it sends"
        ),
        pytest.param(Page(TEXT, heads=403), id="a URL that is signed for GET alone"),
    ],
)
def test_text_arrives_whole(site: Site, page: Page) -> None:
    site.pages["/train.tsv"] = page
    assert read(f"{site.url}/train.tsv") == ROWS
    assert site.parts() == []


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(Page(LONG, cuts=[MIDDLE]), id="once"),
        pytest.param(Page(LONG, cuts=[MIDDLE, MIDDLE // 2, MIDDLE // 4]), id="three times"),
        pytest.param(Page(LONG, sized=False, cuts=[len(LONG), MIDDLE]), id="between chunks"),
        pytest.param(Page(LONG, cuts=[MIDDLE], ranges=False), id="by a server without parts"),
    ],
)
def test_a_lost_connection_is_made_anew_where_it_was(site: Site, page: Page) -> None:
    site.pages["/train.tsv"] = page
    assert read(f"{site.url}/train.tsv") == MANY
    assert page.cuts == []
    assert site.parts()


def test_a_connection_that_stalls_is_given_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "_READ", 1.0)
    web.connected.cache_clear()
    site.pages["/train.tsv"] = Page(LONG, stalls=[MIDDLE])
    assert read(f"{site.url}/train.tsv") == MANY
    assert site.parts()
    web.connected.cache_clear()


def test_a_table_is_laid_down_and_then_read(site: Site) -> None:
    content = table(source=["um"], target=["one"])
    site.pages["/data/train.parquet?download=true"] = Page(content, cuts=[len(content) - 9])
    uri = f"{site.url}/data/train.parquet?download=true"
    assert list(read_rows(File(uri, uri))) == [Row(1, "um", "one")]


def test_a_signed_url_is_sent_as_it_is(site: Site) -> None:
    path = "/a%20b/train.tsv?Signature=a%2Fb%2Bc%3D&Expires=1+2"
    site.pages[path] = Page(TEXT)
    assert read(site.url + path) == ROWS


def test_a_name_that_is_no_url_yet_becomes_one(site: Site) -> None:
    site.pages["/pt%20para%20en/ora%C3%A7%C3%B5es.tsv"] = Page(TEXT)
    assert read(f"{site.url}/pt para en/orações.tsv") == ROWS


def test_credentials_may_stand_in_a_netrc_file(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login reader password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    site.pages["/a"] = Page(TEXT, authorization="Basic cmVhZGVyOnNlY3JldA==")
    assert read(f"{site.url}/a") == ROWS


def test_redirects_are_followed(site: Site) -> None:
    site.pages |= {
        "/a": Page(location="/b"),
        "/b": Page(location=f"{site.url}/c"),
        "/c": Page(TEXT),
    }
    assert read(f"{site.url}/a") == ROWS


@pytest.mark.parametrize(
    ("page", "error", "message"),
    [
        pytest.param(Page(refuses=404), DataError, r"does not exist \(404\)", id="no file"),
        pytest.param(Page(refuses=403), ConfigurationError, "NETRC", id="forbidden"),
        pytest.param(Page(refuses=418), DataError, "refused by the server", id="another refusal"),
        pytest.param(Page(location="/here"), DataError, "redirects in a circle", id="a circle"),
        pytest.param(
            Page(location="file:///etc/passwd"), ConfigurationError, "file:", id="to a file"
        ),
        pytest.param(Page(refuses=500), StorageError, "in 4 attempts", id="errors that stay"),
        pytest.param(
            Page(LONG, cuts=[MIDDLE, 0, 0, 0, 0]),
            StorageError,
            "in 4 attempts, the last time at byte [1-9]",
            id="a connection that is lost again and again",
        ),
        pytest.param(Page(b"<html>Sign in"), DataError, "web page", id="a login page"),
    ],
)
def test_what_cannot_be_read_is_told(
    site: Site, page: Page, error: type[ProgramError], message: str
) -> None:
    site.pages["/here"] = page
    with pytest.raises(error, match=message):
        read(f"{site.url}/here")


def test_nobody_listens(site: Site, unused_tcp_port: int) -> None:
    with pytest.raises(StorageError, match="in 4 attempts, the last time at byte 0"):
        read(f"http://127.0.0.1:{unused_tcp_port}/train.tsv")


def test_a_file_that_changes_while_it_is_read_is_not_mixed(site: Site) -> None:
    page = site.pages["/train.tsv"] = Page(TEXT)
    uri = f"{site.url}/train.tsv"
    rows = read_rows(File(uri, uri))
    assert next(rows) == Row(1, "frase 0", "sentence 0")
    page.version = '"2"'
    with pytest.raises(StorageError, match="was changed while it was read"):
        list(rows)


def test_a_local_file_that_changes_is_not_mixed_either(tmp_path: Path) -> None:
    path = tmp_path / "train.tsv"
    path.write_bytes(TEXT)
    rows = read_rows(File("train.tsv", str(path)))
    next(rows)
    path.write_bytes(TEXT * 2)
    with pytest.raises(StorageError, match="was changed while it was read"):
        list(rows)


def test_what_changes_has_another_stamp(site: Site) -> None:
    page = site.pages["/train.tsv"] = Page(TEXT)
    uri = f"{site.url}/train.tsv"
    before = places.stamp(uri, uri)
    assert before == steady.Stamp(len(TEXT), '"1"')
    page.version = '"2"'
    assert places.stamp(uri, uri) != before
    assert {request.method for request in site.requests} == {"HEAD"}


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        pytest.param(
            "hf://datasets/team/corpus/data/train.tsv",
            "/datasets/team/corpus/resolve/main/data/train.tsv",
            id="the newest",
        ),
        pytest.param(
            "hf://datasets/team/corpus@v1.0/train.tsv",
            "/datasets/team/corpus/resolve/v1.0/train.tsv",
            id="a revision",
        ),
        pytest.param(
            "hf://datasets/team/corpus@refs/convert/parquet/pt-en/train.tsv",
            "/datasets/team/corpus/resolve/refs%2Fconvert%2Fparquet/pt-en/train.tsv",
            id="the converted one",
        ),
    ],
)
def test_files_of_the_hub(site: Site, monkeypatch: pytest.MonkeyPatch, uri: str, path: str) -> None:
    monkeypatch.setenv("HF_ENDPOINT", site.url)
    monkeypatch.setenv("HF_TOKEN", "secret")
    site.pages[path] = Page(TEXT, authorization="Bearer secret")
    assert read(uri) == ROWS


def test_the_hubs_token_stays_with_the_hub(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", site.url)
    monkeypatch.setenv("HF_TOKEN", "secret")
    elsewhere = site.url.replace("127.0.0.1", "localhost")
    site.pages["/datasets/team/corpus/resolve/main/a.tsv"] = Page(location=f"{elsewhere}/stored")
    site.pages["/stored"] = Page(TEXT)
    assert read("hf://datasets/team/corpus/a.tsv") == ROWS
    told = {(one.path, one.authorization) for one in site.requests}
    assert told == {
        ("/datasets/team/corpus/resolve/main/a.tsv", "Bearer secret"),
        ("/stored", None),
    }


def test_a_gated_data_set_wants_a_token(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", site.url)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    site.pages["/datasets/team/corpus/resolve/main/a.tsv"] = Page(
        TEXT, authorization="Bearer secret"
    )
    with pytest.raises(ConfigurationError, match=r"HF_TOKEN from a secret through spec\.training"):
        read("hf://datasets/team/corpus/a.tsv")


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        pytest.param("hf://team/corpus/a.tsv", "hf://datasets/", id="a model of the Hub"),
        pytest.param("hf://datasets/team/corpus", "hf://datasets/", id="a whole data set"),
        pytest.param("https:///a.tsv", "is no URL", id="no host"),
        pytest.param("http://[::1/a.tsv", "is no URL", id="half a host"),
        pytest.param("s3://bucket", "names no file", id="a bucket"),
        pytest.param("gs://bucket/folder/", "names no file", id="a folder"),
    ],
)
def test_a_wrong_uri_is_refused(uri: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        read(uri)


OVER_TLS = """
import sys
from mt_contract.errors import ProgramError
from mt_corpus.files import File
from mt_corpus.reading import read_rows
for uri in sys.argv[1:]:
    try:
        print(len(list(read_rows(File(uri, uri)))))
    except ProgramError as error:
        print(type(error).__name__, error)
"""


@pytest.mark.slow
def test_tls_is_verified_and_not_left(site: Site, tmp_path: Path) -> None:
    context, authority = certificate(tmp_path)
    with serving(context) as safe:
        safe.pages |= {"/a": Page(TEXT), "/b": Page(location=f"{site.url}/c")}
        site.pages["/c"] = Page(TEXT)
        uris = [f"{safe.url}/a", "s3://bucket/a", f"{safe.url}/b"]
        safe.pages["/bucket/a"] = safe.pages["/a"]
        command = [sys.executable, "-c", OVER_TLS, *uris]
        own = ("AWS_CA_BUNDLE", "SSL_CERT_FILE")
        environment = {key: value for key, value in os.environ.items() if key not in own} | {
            "PYTHONPATH": os.pathsep.join(sys.path),
            "AWS_ENDPOINT_URL": safe.url,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        trusting = environment | {"SSL_CERT_FILE": str(authority)}
        told = [
            subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout
            for env in (trusting, environment)
        ]
    assert told[0].startswith(f"{ROWS}\n{ROWS}\nConfigurationError")
    assert "without TLS" in told[0]
    assert told[1].count("SSL_CERT_FILE") == 3

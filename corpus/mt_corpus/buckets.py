"""Files in buckets: S3 and what speaks like it, Google Cloud Storage. Credentials as SDKs do."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from functools import cache, partial
from typing import TYPE_CHECKING, BinaryIO, cast

from mt_contract.errors import ConfigurationError, ProgramError
from mt_corpus.purpose import TEXT, Purpose
from mt_corpus.steady import Folder, Opened, Place, Stamp, repeated, skip

if TYPE_CHECKING:
    from fsspec.implementations.arrow import ArrowFSWrapper
    from pyarrow.fs import FileSystem

_CONNECT, _REQUEST = 10.0, 60.0  # seconds
_FORBIDDEN = re.compile(
    r"ACCESS_DENIED|INVALID_ACCESS_KEY_ID|INVALID_CLIENT_TOKEN_ID|SIGNATURE_DOES_NOT_MATCH"
    r"|MISSING_AUTHENTICATION_TOKEN|UNRECOGNIZED_CLIENT|INVALID_SIGNATURE|ACCESS_TOKEN"
    r"|EXPIRED_TOKEN|TOKEN_REFRESH_REQUIRED|PERMISSION_DENIED|UNAUTHENTICATED|HTTP status 40[13]"
)
_WRONG = re.compile(r"INVALID_ARGUMENT|VALIDATION|HTTP status (?:30\d|400)|configured region")
_UNTRUSTED = re.compile(r"curlCode: 60")
_FAILURES = (OSError, ValueError)  # ValueError: Arrow closed a stream that failed
_ADVICE = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY from a secret through {settings} (or a "
    "service account with a role), and AWS_ENDPOINT_URL and AWS_REGION where the bucket is not "
    "Amazon's or in another region",
    "gs": "name a key file in GOOGLE_APPLICATION_CREDENTIALS through {settings}, or use a service "
    "account that may read the bucket",
}


def place(uri: str, purpose: Purpose = TEXT) -> Place:
    """Return an object of a bucket, of S3 or of Google.

    Raises:
        ConfigurationError: the URI names no bucket or no object.
    """
    scheme, _, path = uri.partition("://")
    bucket, _, key = path.partition("/")
    if not bucket or not key or key.endswith("/"):
        raise ConfigurationError(
            f"{purpose.field}: {uri} names no file: write {scheme}://<bucket>/<path of the file>"
        )
    # Google's as a stream: Arrow holds Python's lock while it opens a file of Google's for random
    # access, so that a slow answer would stop every thread.
    connect, seekable = _connection(scheme), scheme == "s3"
    return Place(
        uri=uri,
        stamp=partial(_stamp, connect, path),
        open=partial(_open, connect, path, seekable),
        failures=_FAILURES,
        explain=partial(_explained, uri, purpose),
        seekable=seekable,
    )


def folder(uri: str, purpose: Purpose) -> Folder:
    """Return what lies below a prefix of a bucket's, or in the whole of it.

    Raises:
        ConfigurationError: the URI names no bucket.
    """
    scheme, _, path = uri.partition("://")
    path = path.rstrip("/")
    if not path.partition("/")[0]:
        raise ConfigurationError(
            f"{purpose.field}: {uri} names no bucket: write {scheme}://<bucket>/<folder>"
        )

    def sizes(below: str) -> dict[str, int | None]:
        return repeated(
            partial(_listed, _connection(scheme), f"{path}/{below}".rstrip("/")),
            _FAILURES,
            partial(_explained, uri, purpose),
            f"{uri} could not be listed",
        )

    return Folder(sizes, lambda name: place(f"{scheme}://{path}/{name}", purpose))


def _connection(scheme: str) -> partial[ArrowFSWrapper]:
    if scheme == "gs":
        return partial(google, _variable("STORAGE_EMULATOR_HOST"))
    return partial(amazon, _variable("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"), _region())


def _variable(*names: str) -> str | None:
    return next((os.environ[name] for name in names if os.environ.get(name)), None)


def _region() -> str | None:
    """Return the region that is told; any will do where the endpoint is."""
    told = _variable("AWS_REGION", "AWS_DEFAULT_REGION")
    elsewhere = _variable("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
    return told or ("us-east-1" if elsewhere else None)


@cache
def amazon(endpoint: str | None, region: str | None) -> ArrowFSWrapper:
    """Connect to S3; Arrow itself looks for credentials, but not for an endpoint."""
    from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem

    return _wrapped(
        S3FileSystem(
            endpoint_override=endpoint,
            region=region,
            tls_ca_file_path=_variable("AWS_CA_BUNDLE", "SSL_CERT_FILE"),
            connect_timeout=_CONNECT,
            request_timeout=_REQUEST,
            retry_strategy=AwsStandardS3RetryStrategy(max_attempts=1),  # repeated by Steady
        )
    )


@cache
def google(emulator: str | None) -> ArrowFSWrapper:
    """Connect to Google; Arrow itself looks for credentials, an emulator has none."""
    from pyarrow.fs import GcsFileSystem

    limit = timedelta(seconds=_CONNECT)
    if emulator is None:
        return _wrapped(GcsFileSystem(retry_time_limit=limit))
    scheme, _, host = emulator.rpartition("://")
    return _wrapped(
        GcsFileSystem(
            anonymous=True,
            scheme=scheme or "http",
            endpoint_override=host.rstrip("/"),
            retry_time_limit=limit,
        )
    )


def _wrapped(filesystem: FileSystem) -> ArrowFSWrapper:
    from fsspec.implementations.arrow import ArrowFSWrapper

    return ArrowFSWrapper(filesystem, skip_instance_cache=True)


def _stamp(connect: partial[ArrowFSWrapper], path: str) -> Stamp:
    found = connect().info(path)
    if found["type"] != "file":
        raise IsADirectoryError(path)
    return Stamp(found["size"], str(found["mtime"]))


def _open(connect: partial[ArrowFSWrapper], path: str, seekable: bool, position: int) -> Opened:
    file: Opened = connect().open(path, "rb", seekable=seekable)
    if seekable:
        cast("BinaryIO", file).seek(position)
    else:
        skip(file, position)
    return file


def _listed(connect: partial[ArrowFSWrapper], path: str) -> dict[str, int | None]:
    """Return the files directly below a prefix; Arrow gathers all of them, however many."""
    from pyarrow.fs import FileSelector, FileType

    found = connect().fs.get_file_info(FileSelector(path, allow_not_found=True))
    return {one.base_name: one.size for one in found if one.type == FileType.File}


def _explained(uri: str, purpose: Purpose, error: Exception) -> ProgramError | None:
    """Return what a failure means; Arrow tells the kinds apart only in its words."""
    told = str(error)
    advice = _ADVICE[uri.partition("://")[0]].format(settings=purpose.settings)
    if isinstance(error, FileNotFoundError) or "NO_SUCH_" in told or "NOT_FOUND" in told:
        return purpose.missing(f"{uri} does not exist, nor perhaps its bucket: {purpose.remedy}")
    if isinstance(error, IsADirectoryError) or "Not a regular file" in told:
        return purpose.missing(f"{uri} is a folder: name the file itself")
    if _FORBIDDEN.search(told):
        return ConfigurationError(f"{uri} may not be read ({told}): {advice}")
    if _UNTRUSTED.search(told):
        return ConfigurationError(
            f"{uri}: the server's certificate is not trusted ({told}): name the authority's in "
            "SSL_CERT_FILE"
        )
    if _WRONG.search(told):
        return ConfigurationError(f"{uri} cannot be read ({told}): {advice}")
    return None

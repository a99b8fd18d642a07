"""Names of children, and locations inside containers."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mt_contract import names
from mt_contract.names import Stage

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
model_names = st.from_regex(r"[a-z]([-a-z0-9]{0,40}[a-z0-9])?", fullmatch=True)
run_names = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)


@given(model=model_names, digest=st.text(), beam=st.integers(1, 64))
def test_names_made_from_the_longest_model_name_fit(model: str, digest: str, beam: int) -> None:
    revision = names.revision_name(digest, "CTranslate2", "Int8", beam, "image")
    service = names.inference_service_name(model, revision)
    for name in (f"{service}-predictor", names.route_name(model), names.run_name(model, *"abcd")):
        assert len(name) <= 63
        assert LABEL.fullmatch(name)


@given(run=run_names, stage=st.sampled_from(Stage), attempt=st.integers(0, 1000))
def test_a_job_name_is_a_label_for_any_run(run: str, stage: Stage, attempt: int) -> None:
    name = names.job_name(run, "uid", stage, attempt)
    assert len(name) <= 63
    assert LABEL.fullmatch(name)


@given(run=run_names, attempt=st.integers(0, 1000))
def test_pods_that_train_together_have_host_names_for_any_run(run: str, attempt: int) -> None:
    job = names.job_name(run, "uid", Stage.TRAIN, attempt)
    service = names.nodes_service_name(job)
    assert len(f"{job}-63") <= 63
    assert len(service) <= 63
    assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", service)  # RFC 1035, unlike a run's name
    assert names.coordinator(job, "team-a") == f"{job}-0.{service}.team-a.svc:8476"


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(("run", "other-uid", Stage.TRAIN, 1), id="another object of the same name"),
        pytest.param(("run", "uid", Stage.EVALUATE, 1), id="another stage"),
        pytest.param(("run", "uid", Stage.TRAIN, 2), id="another attempt"),
        pytest.param(("r" * 38 + "b", "uid", Stage.TRAIN, 1), id="a long name's end"),
    ],
)
def test_job_names_differ_with(other: tuple[str, str, Stage, int]) -> None:
    seen = {names.job_name("run", "uid", Stage.TRAIN, 1)}
    seen.add(names.job_name("r" * 38 + "a", "uid", Stage.TRAIN, 1))
    assert names.job_name(*other) not in seen


@pytest.mark.parametrize("position", range(5))
def test_everything_that_changes_translations_changes_the_revision(position: int) -> None:
    parts = ["sha256:1", "CTranslate2", "Int8", 4, "image:1"]
    changed = [*parts]
    changed[position] = 5 if position == 3 else "other"
    assert names.revision_name(*parts) != names.revision_name(*changed)  # type: ignore[arg-type]


def test_parts_are_hashed_apart() -> None:
    assert names.short("ab", "c") != names.short("a", "bc")


def test_digests_do_not_depend_on_the_order_of_keys() -> None:
    assert names.digest({"a": 1, "b": "é"}) == names.digest({"b": "é", "a": 1})


@pytest.mark.parametrize(
    ("uri", "claim", "path"),
    [
        pytest.param("pvc://models/pt-en", "models", "/mnt/pvc/models/pt-en", id="a folder"),
        pytest.param("pvc://models", "models", "/mnt/pvc/models", id="the claim itself"),
        pytest.param("pvc://models/a/b/", "models", "/mnt/pvc/models/a/b", id="a slash at the end"),
        pytest.param("file:///data/x.tsv", None, "/data/x.tsv", id="a file URI"),
        pytest.param("data/x.tsv", None, "data/x.tsv", id="a plain path"),
        pytest.param("pvc://models/a..b", "models", "/mnt/pvc/models/a..b", id="dots in a name"),
    ],
)
def test_a_location_is_found_in_the_container(uri: str, claim: str | None, path: str) -> None:
    assert names.claim_of(uri) == claim
    assert names.local_path(uri) == path


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        pytest.param("pvc://models/../x", "without '..'", id="climbs out of its claim"),
        pytest.param("pvc://../x", "without '..'", id="a claim that is no name"),
        pytest.param("pvc:///x", "write pvc://<claim>/<path>", id="no claim"),
        pytest.param("s3://bucket/x", "copy the data to a claim", id="a scheme not read"),
    ],
)
def test_a_location_that_cannot_be_read_is_refused(uri: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        names.local_path(uri)


@given(st.text(alphabet="./ab", max_size=12))
def test_no_claim_path_leads_out_of_the_claims_folder(path: str) -> None:
    try:
        found = names.local_path(f"pvc://{path}")
    except ValueError:
        return
    assert found.startswith("/mnt/pvc/")
    assert ".." not in found.split("/")


def test_a_run_has_a_folder_of_its_own_below_the_storage() -> None:
    uid = "0a1b2c3d-1111-2222-3333-444455556666"
    assert names.run_folder("pvc://models/pt-en/", "r1", uid) == "pvc://models/pt-en/r1-0a1b2c3d"


def test_labels_are_the_recommended_ones_and_those_of_the_group() -> None:
    assert names.labels("trainer", model="pt-en") == {
        "app.kubernetes.io/name": "translation",
        "app.kubernetes.io/component": "trainer",
        "app.kubernetes.io/part-of": "kubeflow",
        "app.kubernetes.io/managed-by": "mt-operator",
        names.LABEL_MODEL: "pt-en",
    }

"""The errors: one root, each also the builtin that a host would catch."""

import pickle

import pytest

from crmkit.errors import (
    Conflict,
    CrmError,
    ImportFailed,
    InvalidInput,
    InvalidRecord,
    InvalidTransition,
    MissingExtra,
    NotFound,
    RemoteUnavailable,
    StoreError,
    choices,
)

BUILTINS = [
    (InvalidRecord, ValueError),
    (InvalidTransition, ValueError),
    (InvalidInput, ValueError),
    (NotFound, LookupError),
    (Conflict, ValueError),
    (StoreError, OSError),
    (RemoteUnavailable, OSError),
    (ImportFailed, ValueError),
    (MissingExtra, ImportError),
]


@pytest.mark.parametrize(("error", "builtin"), BUILTINS)
def test_every_error_is_a_crm_error_and_the_builtin_that_fits(error: type[Exception], builtin: type[Exception]) -> None:
    assert issubclass(error, CrmError)
    assert issubclass(error, builtin)
    assert str(error("what is wrong")).startswith("what is wrong")


def test_the_list_of_errors_above_is_complete() -> None:
    assert {error for error, _ in BUILTINS} == set(CrmError.__subclasses__())


@pytest.mark.parametrize("error", [error("what is wrong") for error, _ in BUILTINS])
def test_an_error_reaches_another_process_with_its_text(error: Exception) -> None:
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_an_impossible_move_names_the_possible_ones() -> None:
    error = InvalidTransition("cannot move", ("Trial", "Offer"))

    assert error.possible == ("Trial", "Offer")
    assert str(error) == "cannot move; possible from here: Trial, Offer"


def test_a_move_from_a_dead_end_says_so() -> None:
    assert str(InvalidTransition("cannot move")) == "cannot move; possible from here: nothing"


@pytest.mark.parametrize(
    ("known", "sentence"),
    [
        (["Trial", "Offer"], "there are 'Trial', 'Offer'; did you mean 'Offer'?"),
        (["Won"], "there are 'Won'"),
        ([], "there is none"),
    ],
)
def test_an_unknown_word_is_answered_with_the_known_ones_and_the_nearest(known: list[str], sentence: str) -> None:
    assert choices("Offr", known) == sentence

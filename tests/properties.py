"""Profiles of Hypothesis: the number of examples that property tests try."""

from hypothesis import HealthCheck, settings

# The same examples in each run; `make nightly` tries more, and others each time.
settings.register_profile(
    "usual",
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
)
settings.register_profile(
    "nightly", settings.get_profile("usual"), derandomize=False, max_examples=200, print_blob=True
)
settings.load_profile("usual")


def examples(usual: int) -> settings:
    """Return settings for `usual` examples, or for 200 and more in the nightly profile."""
    if settings.get_current_profile_name() == "nightly":
        usual = max(usual, settings.default.max_examples)
    return settings(max_examples=usual)

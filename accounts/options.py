"""Choices of forms: the frontend shows the labels and sends the values."""

from typing import TypedDict

from django.utils.translation import get_language, gettext


class Option(TypedDict):
    value: str
    label: str


def _make_options(**labels: str) -> list[Option]:
    return [{"value": value, "label": label} for value, label in labels.items()]


JOBS = _make_options(
    student="Sinh viên",
    developer="Lập trình viên",
    designer="Thiết kế",
    marketing="Marketing",
    business="Kinh doanh",
    teacher="Giáo viên",
    doctor="Bác sĩ",
    engineer="Kỹ sư",
    artist="Nghệ sĩ",
    photographer="Nhiếp ảnh gia",
    writer="Nhà văn",
    entrepreneur="Doanh nhân",
    freelancer="Freelancer",
    other="Khác",
)
PURPOSES = _make_options(
    inspiration="Tìm cảm hứng",
    share_ideas="Chia sẻ ý tưởng",
    learn="Học hỏi",
    networking="Kết nối",
    portfolio="Xây dựng portfolio",
    business="Kinh doanh",
    hobby="Sở thích",
    other="Khác",
)
SOURCES = _make_options(
    google="Google Search",
    facebook="Facebook",
    instagram="Instagram",
    youtube="YouTube",
    friend="Bạn bè giới thiệu",
    advertisement="Quảng cáo",
    blog="Blog/Website",
    other="Khác",
)
EXPECTATIONS = _make_options(
    very_high="Rất cao", high="Cao", medium="Trung bình", low="Thấp", very_low="Rất thấp"
)

# The survey has lists of its own, which are built into the frontend.
SURVEY_PURPOSES = _make_options(
    share_ideas="Share ideas",
    find_inspiration="Find inspiration",
    connect_community="Connect with community",
    store_images="Store images",
    other="Other",
)
SURVEY_SOURCES = _make_options(
    friends="Friends",
    social_media="Social media",
    advertisement="Advertisement",
    search="Search engine",
    other="Other",
)


def option_values(*lists: list[Option]) -> set[str]:
    return {option["value"] for options in lists for option in options}


def job_name(job: str) -> str:
    """Return a job in the active language; a job that the member wrote stays as it is."""
    label = next((option["label"] for option in JOBS if option["value"] == job), None)
    if label is None:
        return job
    return label if get_language() == "vi" else job.capitalize()


def job_choices(current: str | None) -> list[tuple[str, str]]:
    """Return values and names, including `current` if it is not in the list."""
    jobs = [option["value"] for option in JOBS]
    own = [current] if current and current not in jobs else []
    return [("", gettext("Not specified")), *((job, job_name(job)) for job in jobs + own)]

"""The choices that forms offer. The frontend shows the labels and sends the values."""

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

# The survey's own lists, which the frontend has built in.
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
    """In the viewer's language; the member's own words as they are."""
    label = next((option["label"] for option in JOBS if option["value"] == job), None)
    if label is None:
        return job
    return label if get_language() == "vi" else job.capitalize()


def job_choices(present: str | None) -> list[tuple[str, str]]:
    """Values and names, of `present` too if it is the member's own."""
    jobs = [option["value"] for option in JOBS]
    own = [present] if present and present not in jobs else []
    return [("", gettext("Not given")), *((job, job_name(job)) for job in jobs + own)]

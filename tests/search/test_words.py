"""Search by keywords, in any language and for any input."""

import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import Category, User
from posts.full_text import filter_by_words
from posts.models import Post
from search.query import Filters
from smimso.text import fold
from tests.properties import examples
from tests.visibility import VISIBILITIES, each_member

pytestmark = pytest.mark.django_db
NewPost = Callable[..., Post]


def titles(viewer: Any, words: str) -> list[str]:
    found = filter_by_words(Post.objects.visible_to(viewer), words)
    return [post.title for post in found.order_by("-rank", "-created_at")]


@pytest.fixture
def described(owner: User, vector_post: NewPost) -> Post:
    """A post with a distinct word in each indexed text."""
    owner.last_name = "Nguyễn"
    owner.save()
    category = Category.objects.create(name="Cuisine", slug="cuisine", prompt="food")
    post = vector_post(
        None,
        None,
        title="Titleword",
        description="Descriptionword",
        tags=["tagword", "Hai Chữ"],
        category=category,
    )
    first, second = post.images.all()
    first.ai_caption, first.user_caption = "machineword", "authorword"
    second.caption, second.user_caption = "legacyword", "secondword"
    first.save()
    second.save()
    return post


@pytest.mark.parametrize(
    "word",
    [
        *("titleword", "descriptionword", "tagword", "hai chữ", "cuisine", "owner", "nguyễn"),
        *("machineword", "authorword", "legacyword", "secondword"),
        *("titleword secondword", "TITLEWORD", "title desc"),
    ],
)
def test_every_word_about_a_post_finds_it(word: str, described: Post, stranger: User) -> None:
    assert titles(stranger, word) == ["Titleword"]


@pytest.mark.parametrize("word", ["itleword", "titlewords", "titleword missing", "titlwrd"])
def test_what_is_not_there_finds_nothing(word: str, described: Post, stranger: User) -> None:
    assert titles(stranger, word) == []


@pytest.mark.parametrize("words", ["", "   ", "!!!", "& | ! ( ) : * < > '", "—“”…", "\n\t", "_"])
def test_no_word_finds_nothing(words: str, described: Post, stranger: User) -> None:
    assert titles(stranger, words) == []


@pytest.mark.parametrize(
    "words",
    [
        "titleword & | !",
        "titleword:*",
        "(titleword",
        "!titleword",
        "titleword <-> ",
        "'titleword'",
        '"titleword" -- ',
        "%titleword%",
        "\\titleword\\",
        "titleword\\:*",
    ],
)
def test_operators_are_only_punctuation(words: str, described: Post, stranger: User) -> None:
    assert titles(stranger, words) == ["Titleword"]


@examples(60)
@given(words=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_any_text_can_be_searched_for(words: str, db: None) -> None:
    list(filter_by_words(Post.objects.visible_to(None), words))


def test_a_very_long_query_is_cut(described: Post, stranger: User) -> None:
    assert titles(stranger, "titleword " * 10_000) == ["Titleword"]


@pytest.mark.parametrize("words", ["đà nẵng", "ĐÀ", "nẵng đà", "biển", "mùa hè", "trời", "sóng"])
def test_vietnamese_is_found_in_any_case_and_between_any_marks(
    words: str, vector_post: NewPost, stranger: User
) -> None:
    vector_post(None, title="ĐÀ NẴNG", description="“Biển”—trời…và sóng", tags=["Mùa Hè"])
    assert titles(stranger, words) == ["ĐÀ NẴNG"]


@pytest.mark.parametrize("stored", ["NFC", "NFD"])
@pytest.mark.parametrize("typed", ["NFC", "NFD"])
def test_composed_and_decomposed_accents_are_the_same(
    stored: Any, typed: Any, vector_post: NewPost, stranger: User
) -> None:
    """macOS decomposes accents in file names, and so in titles made from them."""
    title = unicodedata.normalize(stored, "Huế về đêm")
    vector_post(None, title=title)
    assert titles(stranger, unicodedata.normalize(typed, "huế đêm")) == [title]


def test_more_places_are_a_better_match_and_the_newest_break_a_tie(
    vector_post: NewPost, stranger: User
) -> None:
    vector_post(None, title="sea one")
    vector_post(None, title="sea two")
    vector_post(None, title="sea sea sea", description="the sea, the sea")
    assert titles(stranger, "sea") == ["sea sea sea", "sea two", "sea one"]


def test_a_post_with_many_images_is_found_once(vector_post: NewPost, stranger: User) -> None:
    post = vector_post(None, None, None, title="album")
    post.images.update(ai_caption="a red boat")
    assert titles(stranger, "boat") == ["album"]


@each_member
def test_only_what_the_viewer_may_see_is_found(
    viewer: User, seen: set[str], vector_post: NewPost
) -> None:
    for visibility in VISIBILITIES:
        vector_post(None, title=visibility, description="boat", visibility=visibility)
    assert set(titles(viewer, "boat")) == seen


# --- All scripts --------------------------------------------------------------------------------

TITLES = {
    "Vietnamese": "Phở bò Đà Nẵng, chiều hoàng hôn ở Huế",
    "Polish": "Źdźbło żaba Łódź gęś święta",
    "Romanian": "București Ţară țară înălțime",
    "Turkish": "İstanbul ısı ığdır Çeşme Diyarbakır",
    "Nordic": "Smørrebrød Ærø Þórshöfn Århus Ðórir",
    "German": "Straße GROẞE Füße",
    "Baltic": "Ķekava Ģirts žąsis ų",
    "Maltese": "Ħal Għargħur",
    "Greek": "ὁδός ΟΔΟΣ Αθήνα ᾠδή",
    "Cyrillic": "Ёлка Київ Їжак й ў њ",
    "Armenian": "Երևան և",
    "Georgian": "თბილისი Ჯაჭვი",
    "Hebrew": "שָׁלוֹם ירושלים",
    "Arabic": "العَرَبِيَّة ﷺ ﻻ قَلْب",
    "Persian": "می\u200cخواهم کتاب",
    "Syriac": "ܫܠܡܐ",
    "Thaana": "ދިވެހި",
    "Devanagari": "हिन्दी क़लम प्रेम कर्म",
    "Bengali": "বাংলা ড় কোলকাতা",
    "Gurmukhi": "ਪੰਜਾਬੀ",
    "Gujarati": "ગુજરાતી",
    "Odia": "ଓଡ଼ିଆ",
    "Tamil": "தமிழ் கொழும்பு",
    "Telugu": "తెలుగు",
    "Kannada": "ಕನ್ನಡ ಕೋಟೆ",
    "Malayalam": "മലയാളം കൊച്ചി",
    "Sinhala": "සිංහල ශ්‍රී",
    "Thai": "กรุงเทพ น้ำ เที่ยว",
    "Lao": "ລາວ ນ້ຳ ວຽງຈັນ",
    "Khmer": "ខ្មែរ ភ្នំពេញ",
    "Burmese": "မြန်မာ ရန်ကုန်",
    "Tibetan": "བོད་ཡིག ལྷ་ས",
    "Ethiopic": "አማርኛ አዲስ",
    "Cherokee": "ᏣᎳᎩ ꮳꮃꭹ",
    "Hangul": "서울 한국어 값",
    "Japanese": "東京タワーの夜景 ガラス ﾊﾟﾝ が",
    "Chinese": "北京烤鸭 臺灣 〇",
    "Mongolian": "ᠮᠣᠩᠭᠣᠯ",
    "numbers": "m² ½ Ⅷ ① ２０２４ ٢٠٢٤ २०२४ x₂",
    "joined": "rock'n'roll l'été l’eau Mary-Jane ﬁn ǆ snake_case so\u00adft",
    "emoji": "🐱 👍🏽 👩‍🚀 🇻🇳 ❤️ ™ № © ♥ 1️⃣ € →",
}
FORMS: list[Any] = ["NFC", "NFD", "NFKC", "NFKD"]


def spellings(word: str) -> list[str]:
    """Return the word in each normalization form, and in each case."""
    cases = (str.lower, str.upper, str.title, str.swapcase)
    return [
        case(unicodedata.normalize(form, word)) for form, case in zip(FORMS, cases, strict=True)
    ]


@pytest.mark.parametrize("script", TITLES)
def test_a_post_is_found_by_each_word_of_its_title(
    script: str, vector_post: NewPost, stranger: User
) -> None:
    title = TITLES[script]
    vector_post(None, title=title)
    missed = [
        spelling
        for word in title.split()
        for spelling in spellings(word)
        if titles(stranger, spelling) != [title]
    ]
    assert missed == []


@pytest.mark.parametrize("script", TITLES)
def test_a_post_is_found_by_its_tags_and_its_whole_title(
    script: str, vector_post: NewPost, stranger: User
) -> None:
    title = TITLES[script]
    vector_post(None, title=title, tags=title.split())
    assert titles(stranger, title) == [title]
    for tag in title.split():
        tagged = Post.objects.filter(Filters(tags=(tag.upper(),)).post_condition(stranger))
        assert [post.title for post in tagged] == [title], tag


@pytest.mark.parametrize(
    ("title", "part"),
    [
        ("東京タワーの夜景", "夜景"),
        ("กรุงเทพมหานคร", "เทพ"),
        ("北京烤鸭", "烤鸭"),
        ("ភ្នំពេញ", "ពេញ"),
        ("한국어", "한국"),
    ],
)
def test_a_word_of_a_script_without_blanks_is_found_by_a_part(
    title: str, part: str, vector_post: NewPost, stranger: User
) -> None:
    vector_post(None, title=title)
    vector_post(None, title=" ".join(reversed(title)))
    assert titles(stranger, part) == [title]


def letters(first: int, last: int) -> st.SearchStrategy[str]:
    """Return words of the letters and marks of a block of Unicode; the first is a letter."""
    initial = st.characters(min_codepoint=first, max_codepoint=last, categories=["L", "N"])
    others = st.characters(min_codepoint=first, max_codepoint=last, categories=["L", "M", "N"])
    return st.builds(lambda a, rest: a + rest, initial, st.text(others, max_size=8))


BLOCKS = [
    *[(0x41, 0x7A), (0xC0, 0x24F), (0x370, 0x3FF), (0x400, 0x52F), (0x531, 0x587), (0x5D0, 0x5EA)],
    *[(0x620, 0x6FF), (0x710, 0x74F), (0x780, 0x7BF), (0x900, 0x97F), (0x980, 0x9FF)],
    *[(0xA00, 0xA7F), (0xA80, 0xAFF), (0xB00, 0xB7F), (0xB80, 0xBFF), (0xC00, 0xC7F)],
    *[(0xC80, 0xCFF), (0xD00, 0xD7F), (0xD80, 0xDFF), (0xE00, 0xE7F), (0xE80, 0xEFF)],
    *[(0xF00, 0xFFF), (0x1000, 0x109F), (0x10A0, 0x10FF), (0x1100, 0x11FF), (0x1200, 0x139F)],
    *[(0x13A0, 0x13FF), (0x1780, 0x17FF), (0x1820, 0x18AF), (0x1E00, 0x1FFF), (0x2070, 0x218B)],
    *[(0x2C00, 0x2DFF), (0x3040, 0x30FF), (0x3105, 0x312F), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3)],
    *[(0xFB00, 0xFDFF), (0xFE70, 0xFFDC), (0x10400, 0x1044F), (0x1D400, 0x1D7FF)],
]
WORDS = st.lists(st.one_of([letters(*block) for block in BLOCKS]), min_size=1, max_size=5)


@examples(40)
@given(words=WORDS, form=st.sampled_from(FORMS), asked=st.sampled_from(range(4)))
def test_a_post_of_any_letters_is_found_by_each_word_of_its_title(
    words: list[str], form: Any, asked: int, owner: User
) -> None:
    title = unicodedata.normalize(form, " ".join(words))[:255]
    with transaction.atomic():
        Post.objects.create(user=owner, title=title)
        for word in title.split():
            if fold([word]) != [""]:
                assert titles(owner, spellings(word)[asked]) == [title], word
        transaction.set_rollback(True)


def test_an_emoji_finds_only_posts_with_it(vector_post: NewPost, stranger: User) -> None:
    vector_post(None, title="🐱 mèo")
    vector_post(None, title="chó", tags=["🐶"])
    vector_post(None, title="mèo", description="with a cat 🐱")
    assert set(titles(stranger, "🐱")) == {"🐱 mèo", "mèo"}
    assert titles(stranger, "🐶") == ["chó"]
    assert titles(stranger, "🐭") == []


def test_symbols_count_only_where_there_are_no_words(vector_post: NewPost, stranger: User) -> None:
    vector_post(None, title="cà phê")
    assert titles(stranger, "cà phê ☕") == ["cà phê"]
    assert titles(stranger, "☕") == []


@pytest.mark.parametrize(
    ("title", "typed"),
    [
        ("Ðà", "Đà"),
        ("đá", "ða"),
        ("ﬁlm", "film"),
        ("Ｈｕế", "Hue"),
        ("smørrebrød", "smorrebrod"),
        ("STRAẞE", "strasse"),
        ("Ærø", "aero"),
        ("Łódź", "LODZ"),
    ],
)
def test_look_alike_letters_are_the_same(
    title: str, typed: str, vector_post: NewPost, stranger: User
) -> None:
    vector_post(None, title=title)
    vector_post(None, title=typed)
    for asked in (title, typed):
        assert set(titles(stranger, asked)) == {title, typed}

"""The main job as a person does it, in a real browser."""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import uuid4

import pytest
from PIL import Image
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    FilePayload,
    Locator,
    Page,
    expect,
)

from ai.demo_models.scenes import Scene, SceneObject
from tests.e2e.site import Site, draw_jpeg

pytestmark = pytest.mark.slow

ROBOT = Scene("meadow", "day", "clear", (SceneObject("robot", "red", "large", 1),), 15_100_001)
PATIENCE = 120_000  # milliseconds; a loaded machine may need many of them
expect.set_options(timeout=PATIENCE)
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 360, "height": 740}

PUBLIC_PAGES = ["/", "/search?q=cat", "/login", "/register", "/password/forgotten"]
PASSWORD_PAGES = ["/settings/password", "/settings/delete"]
MEMBERS_PAGES = ["/upload", "/settings", "/settings/profile", *PASSWORD_PAGES]


@dataclass
class Visitor:
    """A browser window whose console must stay clean."""

    page: Page
    site: Site
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _note(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    def open(self, path: str) -> None:
        self.page.goto(self.site.url + path)

    def register(self) -> str:
        """Register a member and return the e-mail address."""
        email = f"ha-{uuid4().hex[:8]}@example.test"
        self.open("/register")
        self.page.get_by_label("First name").fill("Hà")
        self.page.get_by_label("E-mail").fill(email)
        for label in ("Password", "Confirm password"):
            self.page.get_by_label(label, exact=True).fill("secret-1")
        self.page.get_by_role("button", name="Register").click()
        expect(self.page.get_by_role("link", name="Upload").first).to_be_visible()
        return email

    def choose(self, field_id: str, picture: bytes) -> None:
        upload = {"name": "picture.jpg", "mimeType": "image/jpeg", "buffer": picture}
        self.page.set_input_files(field_id, [upload])


@pytest.fixture
def visitor(browser: Browser, site: Site) -> Iterator[Visitor]:
    context = browser.new_context(viewport=DESKTOP, locale="en-US")
    context.set_default_timeout(PATIENCE)
    visitor = Visitor(context.new_page(), site)
    yield visitor
    context.close()
    assert visitor.complaints == []


def test_a_person_uploads_a_picture_and_finds_it_by_words_and_by_picture(visitor: Visitor) -> None:
    page = visitor.page
    visitor.register()
    visitor.open("/upload")
    visitor.choose("#images", draw_jpeg(ROBOT))
    page.get_by_role("button", name="Share").click()
    state = page.locator("#uploaded-state")
    expect(state).to_contain_text("Searchable and captioned")
    page.get_by_role("link", name="Show the post").click()
    expect(page.locator("main")).to_contain_text("red robot")
    post_path = re.search(r"/post/[0-9a-f-]{36}", page.url)
    assert post_path is not None
    page.keyboard.press("End")  # similar pictures load when they come into view
    expect(page.locator("main .card").first).to_be_visible()

    visitor.open("/search")
    page.get_by_label("What should the pictures show?").fill("a large red robot in a meadow")
    page.keyboard.press("Enter")
    first = page.locator("#results .card-link").first
    expect(first).to_have_attribute("href", post_path[0])
    expect(page.locator("#results .badge.score").first).to_contain_text("%")

    visitor.choose("#image", draw_jpeg(ROBOT, 500))
    expect(page.locator("#results")).to_contain_text("the AI sees")
    expect(page.locator("#results .card-link").first).to_have_attribute("href", post_path[0])


def test_a_refused_upload_is_explained_in_the_language_of_the_page(visitor: Visitor) -> None:
    page = visitor.page
    visitor.register()
    visitor.open("/upload")
    page.locator(".languages [lang=vi]").click()
    visitor.choose("#images", b"not a picture")
    page.get_by_role("button", name="Chia sẻ").click()
    expect(page.locator("#error")).to_contain_text("Không đọc được ảnh trong tệp này")
    assert all("400" in complaint for complaint in visitor.complaints)
    visitor.complaints.clear()


def test_a_comment_is_sent_once_however_often_its_button_is_clicked(visitor: Visitor) -> None:
    page = visitor.page
    visitor.register()
    visitor.open("/")
    page.locator("main .card-link").first.click()
    words = f"Lovely {uuid4().hex}"
    page.get_by_label("Your comment").fill(words)
    page.get_by_role("button", name="Comment", exact=True).dblclick()
    comments = page.locator(".comment-text", has_text=words)
    expect(comments).to_have_count(1)
    page.reload()
    expect(comments).to_have_count(1)
    visitor.open("/activity")
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name=f"Delete your comment: {words[:20]}").click()
    expect(page.locator(".removed")).to_be_focused()


def test_filters_are_written_chosen_and_cleared_by_keyboard(visitor: Visitor) -> None:
    page = visitor.page
    visitor.open("/search?q=a")
    page.locator("#filters summary").press("Enter")
    page.get_by_label("Author").fill("linh")
    page.keyboard.press("Enter")
    expect(page.locator("#results .card-author").first).to_contain_text("Linh")
    expect(page).to_have_url(f"{visitor.site.url}/search?q=a&author=linh")
    page.get_by_label("Tags").fill("no such tag")
    page.keyboard.press("Tab")
    expect(page.locator("#results")).to_contain_text("Nothing matches all filters")
    page.get_by_role("link", name="Clear the filters").press("Enter")
    expect(page.locator("#results .card-author").first).to_be_visible()
    expect(page).to_have_url(f"{visitor.site.url}/search?q=a")
    expect(page.get_by_label("Author")).to_have_value("")


def test_pages_have_the_time_zone_of_the_browser(visitor: Visitor) -> None:
    visitor.open("/")
    [cookie] = [c for c in visitor.page.context.cookies() if c.get("name") == "time_zone"]
    zone = visitor.page.evaluate("Intl.DateTimeFormat().resolvedOptions().timeZone")
    assert cookie.get("value") == zone


def test_the_feed_goes_on_while_one_scrolls(visitor: Visitor) -> None:
    page = visitor.page
    visitor.open("/")
    cards = page.locator(".card")
    expect(cards.first).to_be_visible()
    begin = cards.count()
    page.mouse.wheel(0, 50_000)
    expect(cards.nth(begin)).to_be_attached()
    links = page.locator(".card-link").evaluate_all("links => links.map(link => link.href)")
    assert len(links) == len(set(links))


def test_nothing_overflows_on_a_phone(visitor: Visitor) -> None:
    visitor.page.set_viewport_size(PHONE)
    for path in PUBLIC_PAGES:
        overflow = overflow_of(visitor, path)
        assert overflow <= 0, f"{path} is {overflow} pixels too wide"
    visitor.register()
    for path in MEMBERS_PAGES:
        overflow = overflow_of(visitor, path)
        assert overflow <= 0, f"{path} is {overflow} pixels too wide"


def overflow_of(visitor: Visitor, path: str) -> int:
    visitor.open(path)
    width: int = visitor.page.evaluate("document.documentElement.scrollWidth")
    return width - PHONE["width"]


def test_a_letter_on_the_terminal_replaces_a_forgotten_password(visitor: Visitor) -> None:
    page = visitor.page
    email = visitor.register()
    page.locator("summary").click()
    page.get_by_role("button", name="Log out").click()
    visitor.open("/login")
    page.get_by_role("link", name="Forgot your password?").click()
    page.get_by_label("E-mail").fill(email)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Check your e-mail")).to_be_visible()
    page.goto(visitor.site.wait_for_line("mail: http", "/password/reset/").split()[-1])
    for label in ("New password", "Confirm new password"):
        page.get_by_label(label, exact=True).fill("secret-2")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("you are logged in")


def test_staff_see_the_images_and_try_one_again(visitor: Visitor) -> None:
    page = visitor.page
    visitor.open("/admin/login/?next=/admin/posts/postimage/%3Fai_status__exact=done")
    page.get_by_label("Email").fill("admin@demo.smimso.test")
    page.get_by_label("Password").fill("smimso-demo")
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#result_list img").first).to_be_visible()
    page.locator("#result_list input.action-select").first.check()
    page.locator("select[name=action]").select_option(label="Retry AI processing")
    page.get_by_role("button", name="Go").click()
    expect(page.locator(".messagelist")).to_contain_text("1")


def picture_file(name: str, size: tuple[int, int], *frames: Image.Image) -> FilePayload:
    """Return an upload: a gradient of that size, and more frames of an animation."""
    buffer = io.BytesIO()
    image = Image.linear_gradient("L").resize(size)
    image.save(buffer, name.split(".")[-1], save_all=bool(frames), append_images=frames)
    return {"name": name, "mimeType": "image/png", "buffer": buffer.getvalue()}


def test_pictures_of_any_shape_can_be_looked_at(visitor: Visitor) -> None:
    page = visitor.page
    visitor.register()
    visitor.open("/upload")
    shapes = [picture_file("strip.png", (700, 7000)), picture_file("line.png", (1, 20_000))]
    blank = Image.new("L", (90, 60), "white")
    page.set_input_files("#images", [*shapes, picture_file("moving.gif", (90, 60), blank)])
    page.get_by_role("button", name="Share").click()
    page.get_by_role("link", name="Show the post").click()

    links = page.locator("a[data-full]")
    expect(links).to_have_count(3)
    for link in links.all():
        box = link.bounding_box()
        assert box is not None
        assert box["width"] > 150
        assert box["height"] > 150

    moving = page.locator("figure img.picture").last
    expect(moving).to_have_attribute("src", re.compile(r"\.gif"))
    page.get_by_role("button", name="Pause the animation").click()
    expect(moving).to_have_attribute("src", re.compile(r"\.webp"))
    page.get_by_role("button", name="Play the animation").click()
    expect(moving).to_have_attribute("src", re.compile(r"\.gif"))

    address = page.url
    links.first.click()
    viewer, shown = page.locator("dialog.viewer"), page.locator(".viewer-stage img")
    assert width_of(shown) == 700  # it fills the window and is scrolled
    page.get_by_role("button", name="Zoom in").click()
    assert width_of(shown) == 1050
    page.keyboard.press("ArrowDown")
    page.wait_for_function("document.querySelector('.viewer-stage').scrollTop > 0")
    for _ in range(9):
        page.keyboard.press("-")
    box = shown.bounding_box()
    assert box is not None
    assert round(box["height"]) <= DESKTOP["height"]  # all of it is visible
    page.keyboard.press("ArrowRight")  # the next picture
    assert width_of(shown) == 24
    page.keyboard.press("+")
    assert width_of(shown) == 36
    page.keyboard.press("1")
    assert width_of(shown) == 1
    page.keyboard.press("Escape")
    expect(viewer).not_to_be_visible()
    expect(links.nth(1)).to_be_focused()
    assert page.url == address
    links.last.click()
    viewer.get_by_role("button", name="Pause the animation").click()
    expect(shown).to_have_attribute("src", re.compile(r"\.webp"))
    page.go_back()  # closes the viewer, not the page
    expect(viewer).not_to_be_visible()
    assert page.url == address


def width_of(picture: Locator) -> int:
    box = picture.bounding_box()
    assert box is not None
    return round(box["width"])

"""Thirty files at once with one broken, a crop, and pictures drawn by WebUI and ComfyUI while the person looks on."""

import io
import re

from PIL import Image
from playwright.sync_api import expect

from tests.factories.media import picture

JOBS = 60_000

FOLDER = """() => {
  const file = (name, text) => ({ isFile: true, file: (found) => found(new File([text], name)) });
  const folder = (within) => ({ isDirectory: true, createReader: () => {
    // As browsers do: some at a time, and nothing at the end.
    const some = [within.slice(0, 1), within.slice(1), []];
    return { readEntries: (found) => found(some.shift()) };
  } });
  const tree = folder([file("one.txt", "abc"), folder([file("two.txt", "def"), file(".hidden", "x")])]);
  const event = new Event("drop", { bubbles: true, cancelable: true });
  Object.defineProperty(event, "dataTransfer", { value: { files: [], items: [{ webkitGetAsEntry: () => tree }] } });
  document.querySelector("[data-upload-zone]").dispatchEvent(event);
}"""


def files(count):
    made = [(f"picture {number:02}.png", picture(120, 180, color=(number * 8, 90, 140))) for number in range(count - 1)]
    return [*made[:7], ("broken 🗡\u202egpj\u2069.png", picture()[:30]), *made[7:]]


def test_thirty_files_come_in_at_once_and_the_broken_one_says_why(visit, stage, creator, shot, axe):
    writer = visit(creator)
    page = writer.go("/library/")
    expect(page.get_by_text("Nothing in your library yet")).to_be_visible()
    writer.drop("[data-upload-zone]", files(30))
    rows = page.locator(".upload")
    expect(rows).to_have_count(30)
    expect(page.locator("[data-uploads-sum]")).to_contain_text("29 taken · 1 refused", timeout=JOBS)
    expect(page.locator(".upload.is-done")).to_have_count(29)
    broken = page.locator(".upload").first
    expect(page.locator(".upload.is-refused")).to_have_count(1)
    # What would turn the name around, and show another extension than it has, is not shown.
    expect(broken.locator(".upload-name")).to_have_text("broken 🗡gpj.png")
    expect(broken.locator(".upload-told")).to_contain_text(re.compile("damaged|breaks off|cut off"))
    # What cannot be shown has a plain place, and no torn picture.
    assert page.locator("img.upload-face").count() == 29
    shot(page, "media-1-uploaded")
    # What the page says of the library is true without a reload.
    expect(page.locator("#library-room")).not_to_contain_text("You keep 0 bytes")
    expect(page.locator(".tile")).to_have_count(29)
    page.get_by_role("link", name="Show them in the library").click()
    # The reasons stay to be read.
    expect(broken).to_contain_text("broken")
    assert stage.count("media_files", owner_id=creator.id, purpose="portrait") == 29
    assert writer.axe(axe) == []
    shot(page, "media-2-library")
    # The tiles follow the arrow keys, beside Tab.
    tiles = page.locator(".tile a")
    tiles.first.focus()
    page.keyboard.press("ArrowRight")
    expect(tiles.nth(1)).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("End")
    expect(tiles.last).to_be_focused()

    # A folder brings the files in it, also those of folders within, and nothing hidden.
    page.evaluate(FOLDER)
    expect(page.locator("[data-uploads-sum]")).to_contain_text("31 taken · 1 refused", timeout=JOBS)
    expect(page.locator(".tile")).to_have_count(31)
    page.locator(".tile", has_text="picture 00").first.wait_for()

    # A crop by dragging and a focal point by a click, kept and seen again.
    page.locator(".tile", has_text="picture 00").locator("a").click()
    box = page.locator("[data-cropper]").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + box["height"] * 0.1)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + box["height"] * 0.6, steps=4)
    page.mouse.up()
    page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.3)
    page.get_by_label("Description for those who cannot see it").fill("A tower at night")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Saved. Smaller sizes follow in a moment.")).to_be_visible()
    expect(page.locator("[data-cropper-part]")).to_be_visible()
    expect(page.locator("[data-cropper-focus]")).to_be_visible()
    assert float(page.locator("[name=crop_left]").input_value()) == 20
    assert writer.axe(axe) == []
    shot(page, "media-3-file")


def test_an_upload_goes_on_after_the_line_was_cut(visit, stage, creator):
    big = io.BytesIO()
    Image.effect_noise((2400, 2400), 90).convert("RGB").save(big, "PNG", compress_level=1)
    assert len(big.getvalue()) > 8_000_000
    writer = visit(creator)
    writer.foresee_lost_connection()
    page = writer.go("/library/")
    sent = []

    def cut(route):
        if route.request.method == "PATCH":
            sent.append(route.request.headers["upload-offset"])
            if len(sent) in {2, 3}:
                return route.abort()
        return route.continue_()

    page.route(re.compile("/library/uploads/"), cut)
    writer.drop("[data-upload-zone]", [("large.png", big.getvalue())])
    expect(page.locator(".upload.is-done")).to_have_count(1, timeout=JOBS)
    # What had arrived was not sent again.
    assert sent[:4] == ["0", "4000000", "4000000", "4000000"]
    assert stage.count("media_files", owner_id=creator.id, purpose="portrait") == 1

    # The studio has it all, and its answer was lost: a file that was refused is not taken for one that was kept.
    def swallow(route):
        if route.request.method == "PATCH":
            route.fetch()
            return route.abort()
        return route.continue_()

    page.route(re.compile("/library/uploads/"), swallow)
    writer.drop("[data-upload-zone]", [("broken.png", b"MZ" + bytes(500))])
    expect(page.locator(".upload.is-refused")).to_contain_text("does not take files of this kind", timeout=JOBS)


def draw(writer, name, shot, mark):
    page = writer.page
    page.get_by_label("What the picture should show").fill(f"{name}, silver hair")
    page.get_by_role("button", name="Make it").click()
    live = page.locator("#generation-live")
    # Progress that is neither the beginning nor the end.
    page.wait_for_function(
        "() => { const bar = document.querySelector('#generation-live progress'); return bar && bar.value >= 20 && bar.value < 95; }",
        timeout=JOBS,
    )
    expect(live).to_contain_text("Drawing")
    shot(page, f"media-{mark}-drawing")
    return live


def test_pictures_are_drawn_by_webui_and_one_becomes_the_portrait(visit, stage, creator, shot, axe):
    writer = visit(creator)
    page = writer.go("/characters/new")
    page.get_by_label("Name").fill("Mei of the Tower")
    page.get_by_role("button", name="Make the draft").click()
    page.wait_for_url(re.compile(r"/characters/[0-9a-f-]{36}/edit"))
    writer.go(page.url.removesuffix("/edit").partition(stage.address)[2])
    page.get_by_role("link", name="Make a picture").click()
    expect(page.get_by_label("What the picture should show")).to_have_value(re.compile("Mei of the Tower"))
    assert writer.axe(axe) == []
    stage.pictures.seconds = 4.0
    live = draw(writer, "Mei", shot, "4-webui")
    expect(live.locator(".result")).to_have_count(1, timeout=JOBS)
    assert writer.axe(axe) == []
    shot(page, "media-5-webui-done")
    writer.press("Use as portrait")
    expect(page.get_by_text("Mei of the Tower shows this picture now.")).to_be_visible()
    expect(page.locator("img.character-cover")).to_be_visible()

    # A second one is stopped in the middle, and WebUI with it.
    stage.pictures.seconds = 30.0
    before = len(stage.pictures.interrupts)
    writer.go("/pictures/new")
    live = draw(writer, "Nobody", shot, "6-webui")
    writer.press("Stop")
    expect(live.locator(".mark").first).to_have_text("stopped", timeout=JOBS)
    assert "/sdapi/v1/interrupt" in [told["path"] for told in stage.pictures.interrupts[before:]]
    stage.pictures.seconds = 0.0


def test_pictures_are_drawn_and_stopped_by_comfyui(visit, stage, creator, shot):
    with stage.changed(images_provider="comfyui"):
        writer = visit(creator)
        stage.pictures.seconds = 4.0
        page = writer.go("/pictures/new")
        live = draw(writer, "A lighthouse", shot, "7-comfyui")
        expect(live.locator(".result")).to_have_count(1, timeout=JOBS)
        stage.pictures.seconds = 30.0
        before = len(stage.pictures.interrupts)
        writer.go("/pictures/new")
        live = draw(writer, "Another lighthouse", shot, "8-comfyui")
        writer.press("Stop")
        expect(live.locator(".mark").first).to_have_text("stopped", timeout=JOBS)
        assert {"/interrupt", "/queue"} <= {told["path"] for told in stage.pictures.interrupts[before:]}
        stage.pictures.seconds = 0.0
        writer.go("/pictures/")
        expect(page.locator("table.list tbody tr")).to_have_count(2)

from tests.browser.test_editor import character  # noqa
SET="""() => { window.lag = []; new PerformanceObserver(l => l.getEntries().forEach(e => e.name==='keydown' ? lag.push(Math.round(e.duration)):0)).observe({type:'event', durationThreshold:16}); }"""
def test_typing(visit, creator, character):
    page = visit(creator).go(character)
    page.evaluate(SET)
    for name, script in (("asis","0"),("short text", "document.getElementById('description').value='short'"),
        ("fixed","document.getElementById('description').value='走 a {{char}} '.repeat(5400); document.getElementById('description').style.fieldSizing='fixed'"),
        ("fixed nowrapany","document.getElementById('description').style.overflowWrap='break-word'"),
        ("fixed+nospell","document.getElementById('description').spellcheck=false"),
        ("newlines","document.getElementById('description').value=('走 a {{char}} '.repeat(10)+'\\n').repeat(540)"),
        ):
        if name=="asis": page.get_by_label("Description", exact=True).fill("走 a {{char}} " * 5400)
        page.evaluate("s => { }", script)
        page.evaluate(script); page.wait_for_timeout(1500)
        page.focus("#description"); page.keyboard.press("Control+End"); page.wait_for_timeout(2000); page.evaluate("lag.length=0")
        page.keyboard.type("hello you", delay=60)
        page.wait_for_timeout(1500)
        print("LAG", name, page.evaluate("lag"))

"""Probe."""
from __future__ import annotations
import time, json, re
import pytest
from playwright.sync_api import expect

WIDGET = """
import threading, time, ipywidgets as W
from IPython.display import display
bar = W.IntProgress(max=50, description="work"); label = W.HTML("<b>start</b>")
display(W.VBox([bar, label]))
def work():
    for i in range(50):
        time.sleep(0.1); bar.value = i + 1
        label.value = f'<span style="color:var(--jp-ui-font-color1)">step <b>{i + 1}</b></span>'
threading.Thread(target=work, daemon=True).start()
"""
BUSY = """
end = time.monotonic() + 5
while time.monotonic() < end: sum(range(10000))
print("busy done")
"""

def value(lab):
    return int(lab.cell_locator(0).locator(".widget-html-content b").inner_text())

def test_widgets(lab):
    t = time.monotonic()
    lab.open([WIDGET, BUSY])
    print("OPEN", time.monotonic() - t)
    lab.run_all()
    expect(lab.cell_locator(0).locator(".widget-html-content b")).to_have_text(re.compile(r"\d+"))
    expect(lab.cell_locator(0).locator(".jp-InputPrompt")).to_have_text("[1]:")
    expect(lab.cell_locator(1).locator(".jp-InputPrompt")).to_have_text("[*]:")
    lab.wait_running(1)
    a = value(lab); wa = lab.cell_locator(0).locator(".progress-bar").evaluate("e => e.style.width")
    expect(lab.cell_locator(0).locator(".widget-html-content b")).not_to_have_text(str(a))
    expect(lab.cell_locator(0).locator(".widget-html-content b")).to_have_text(re.compile(r"^[23]\d$"))
    b = value(lab)
    st = lab.is_running(); wb = lab.cell_locator(0).locator(".progress-bar").evaluate("e => e.style.width")
    print("VALUES", a, b, wa, wb, st)
    assert b > a and st and wa != wb
    print("STATUS", lab.page.evaluate("() => jupyterapp.shell.currentWidget.context.sessionContext.session.kernel.status"))
    assert lab.cell_locator(1).locator(".jp-InputPrompt").inner_text() == "[*]:"
    lab.screenshot("probe-mid")
    lab.wait_idle()
    assert "busy done" in lab.outputs(1)
    print("OUT0", repr(lab.outputs(0)), lab.bundles(0))
    lab.save()
    print("SAVED", json.dumps(lab.saved()["cells"][0]["outputs"]), lab.saved()["metadata"].keys())
    lab.set_theme("dark"); lab.screenshot("probe-dark")
    lab.screenshot("probe-cell", 0)
    t = time.monotonic(); lab.reopen(); print("REOPEN", time.monotonic() - t)
    lab.page.wait_for_timeout(1500)
    print("REOPENED", repr(lab.outputs(0))); lab.screenshot("probe-reopened-dark")
    lab.set_theme("light")
    lab.reopen(trusted=False); lab.page.wait_for_timeout(1500)
    print("UNTRUSTED", repr(lab.outputs(0))); lab.screenshot("probe-untrusted")
    print("ERRORS", json.dumps(lab.errors, indent=1))

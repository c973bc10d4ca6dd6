"""Findings."""
from __future__ import annotations
import json
import pytest
from playwright.sync_api import expect

SHOW = """
import threading, time, ipywidgets as W
from IPython.display import display, update_display
w = W.VBox([W.IntProgress(value=3, max=5, description="live")])
def html(t): return f'<div class="zz">{t}</div>'
live = {**w._repr_mimebundle_(), "text/html": html("fallback"), "text/plain": "fallback-plain"}
display(live, raw=True, display_id="panel-%s");
"""
UPD = """
def later(wait, id, close=False):
    time.sleep(wait)
    if close: w.close()
    update_display({"text/html": html("final"), "text/plain": "final-plain"}, raw=True, display_id="panel-"+id)
"""
BUSY = """
import time
end = time.monotonic() + 3
while time.monotonic() < end: sum(range(10000))
print("busy done")
"""
LOG = """() => { window.log = []; const k = jupyterapp.shell.currentWidget.context.sessionContext.session.kernel;
 k.anyMessage.connect((_, a) => { const m = a.msg; window.log.push([a.direction, m.channel, m.header.msg_type, m.content.execution_state ?? '', m.parent_header?.msg_type ?? '', m.header.subshell_id ?? m.parent_header?.subshell_id ?? '', k.status].join(' ')); });
 return [k.supportsSubshells, k.commsOverSubshells]; }"""
TICK = SHOW % "t" + """
def tick():
    for i in range(20):
        time.sleep(.1); w.children[0].value = i % 5
threading.Thread(target=tick).start()
"""

@pytest.mark.parametrize("cells", [[SHOW % "x", BUSY]])
def test_status(lab, cells):
    lab.open(cells)
    print("SUBSHELLS", lab.page.evaluate(LOG))
    lab.run_all(); lab.wait_running(len(cells) - 1)
    lab.page.wait_for_timeout(1500)
    print("STATUS mid", lab.page.evaluate("() => jupyterapp.shell.currentWidget.context.sessionContext.session.kernel.status"), lab.is_running())
    lab.wait_idle()
    log = lab.page.evaluate("() => window.log")
    print("\n".join(log[:45]))

import time, asyncio
@pytest.mark.parametrize("busyn", [0, 100])
def test_reload(lab, busyn):
    # widget closed before the update
    lab.open([SHOW % "b" + UPD + "threading.Thread(target=later, args=(2, 'b', True)).start()"])
    lab.run_all(); lab.wait_idle()
    expect(lab.output_locator(0)).to_contain_text("final", timeout=8000)
    print("closed-before-update ok")
    # tab reloaded, kernel kept, then updated
    lab.open([SHOW % "r" + UPD + "threading.Thread(target=later, args=(12, 'r')).start()", "for i in range(BUSYN): time.sleep(.2)".replace("BUSYN", str(busyn))])
    lab.run_all()
    lab.wait_running(1) if busyn else lab.wait_idle()
    lab.save(); t = time.monotonic()
    lab.reopen(keep_kernel=True); print("RELOAD TOOK", time.monotonic() - t)
    lab.page.wait_for_timeout(1000)
    print("RELOADED", repr(lab.outputs(0)), lab.cell_locator(0).locator(".progress-bar").count(), lab.bundles(0))
    lab.page.wait_for_timeout(14000)
    print("RELOADED after update", repr(lab.outputs(0)), lab.cell_locator(0).locator(".progress-bar").count(), lab.bundles(0))
    print("ERR", lab.errors)


def test_env(lab, lab_server):
    import sys, os
    lab.open(["import sys, os, jupyter_core.paths as p; print(sys.executable, os.environ['HOME'], p.jupyter_config_dir(), p.jupyter_path())", "1/0", "3"])
    lab.run_cell(0); lab.wait_idle(); print(lab.outputs(0)); assert sys.executable in lab.outputs(0)
    lab.run_all(); lab.wait_idle(); print(lab.outputs(1), lab.outputs(2) == "", lab.errors)
    print(lab_server.log.read_text()[-1500:])

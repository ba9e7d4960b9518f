import { byId, write } from "./dom.js";

const [fail, restore, refused, dialog] = ["fail", "restore", "refused", "confirm"].map(byId);

/** The buttons that change this proxy's health. */
export function healthButtons() {
  fail.addEventListener("click", () => {
    dialog.returnValue = "";
    dialog.showModal();
  });
  dialog.addEventListener("close", () => dialog.returnValue === "fail" && post("fail"));
  restore.addEventListener("click", () => post("ok"));
}

export function showHealthButtons(failed) {
  const [shown, gone] = failed ? [restore, fail] : [fail, restore];
  if (shown.hidden) {
    const focused = document.activeElement === gone;
    shown.hidden = false;
    gone.hidden = true;
    if (focused) {
      shown.focus();
    }
  }
}

async function post(what) {
  write(refused, "");
  try {
    const answer = await fetch(`healthcheck/${what}`, { method: "POST", signal: AbortSignal.timeout(5_000) });
    if (!answer.ok) {
      const problem = await answer.json().catch(() => ({}));
      throw new Error(`${answer.status} ${problem.error ?? problem.detail ?? answer.statusText}`);
    }
    showHealthButtons(what === "fail");
  } catch (error) {
    write(refused, `The health check was not changed: ${error.message}`);
  }
}

/** Puts the page together. Addresses are relative, so it works behind a proxy's path too. */
import { Announcer } from "./announcer.js";
import { setUpApiKey } from "./api-key.js";
import { ChatView } from "./chat-view.js";
import { Connection } from "./connection.js";
import { setUpCrowd } from "./crowd.js";
import { byId, element } from "./dom.js";
import { Sampling } from "./sampling.js";
import { StageFeed } from "./stage-feed.js";
import { StageView } from "./stage-view.js";
import { setUpTheme } from "./theme.js";

const STATES = {
  connecting: "Connecting",
  open: "Connected",
  idle: "Idle, connects with the next message",
  lost: "Connection lost, trying again",
};

const base = new URL("./", document.baseURI).href;
const announcer = new Announcer(byId("announcer"));
const connection = new Connection(new URL("v1/stream", base.replace(/^http/, "ws")).href, (state) => {
  const pill = byId("connection");
  pill.dataset.state = state;
  // the same words again would be read out again
  if (pill.textContent !== STATES[state]) pill.textContent = STATES[state];
});
const chat = new ChatView({ connection, sampling: new Sampling(), announcer, base });
const stage = new StageView();

const feed = new StageFeed(
  new URL("stage", base).href,
  byId("stage"),
  (frame, isFirst) => stage.show(frame, isFirst),
  (state) => {
    byId("stage-note").textContent =
      state === "open" ? "Live, four looks a second" : "The stage is not reachable, trying again";
  },
);
setUpCrowd(byId("crowd"), connection, (text) => announcer.say(text));
setUpTheme(byId("theme"), () => stage.redraw());
setUpViews();
setUpApiKey(base, showModels);
byId("prompt").focus();

function setUpViews() {
  const buttons = [...byId("views").children];
  const isNarrow = matchMedia("(max-width: 799px)");
  const show = (view) => {
    document.body.dataset.view = view;
    // with room for two, the chat is always there and the stage is beside it
    const pressed = view === "chat" && !isNarrow.matches ? "stage" : view;
    for (const button of buttons)
      button.setAttribute("aria-pressed", String(button.dataset.view === pressed));
  };
  isNarrow.addEventListener("change", () => show(document.body.dataset.view));
  show("chat");
  for (const button of buttons) button.onclick = () => show(button.dataset.view);
  addEventListener("show-view", ({ detail }) => show(detail));
}

/** With several models the reader chooses; everything from then on is that model's. */
function showModels(key, models) {
  connection.open(key);
  // other names of the same model, and models of other servers, are left out
  const own = models.filter(({ id, root }) => id === root);
  const context = element("span", { className: "context" });
  const use = ({ id, max_model_len: maxModelLen }) => {
    chat.model = id;
    connection.model = id;
    feed.start(key, id);
    context.textContent = ` · context ${maxModelLen.toLocaleString("en")} tokens`;
  };
  const options = own.map(({ id }) => element("option", { value: id }, id));
  const choice = element("select", { "aria-label": "Model" }, ...options);
  choice.onchange = () => use(own[choice.selectedIndex]);
  byId("model").replaceChildren(own.length === 1 ? own[0].id : choice, context);
  use(own[0]);
}

/** Sends many requests with one long beginning at once, so that there is something to see on the stage. */
const NUM_REQUESTS = 12;
const BEGINNING =
  "You tell short stories to children. The animals are a fox, a bear, a crow, an owl, a hare and a mouse. " +
  "They live in a wood near a river, and every story ends well. ";
const HEROES = ["fox", "bear", "crow", "owl", "hare", "mouse"];

/** @param onNotice called with a line of text about how it goes */
export function setUpCrowd(button, connection, onNotice) {
  let numLeft = 0;
  let requests = [];
  const label = button.textContent;
  const end = () => {
    if (--numLeft > 0) return;
    button.textContent = label;
    requests = [];
    onNotice(`All ${NUM_REQUESTS} requests of the crowd have ended`);
  };
  button.onclick = () => {
    if (numLeft > 0) {
      for (const request of requests) request.cancel();
      return;
    }
    numLeft = NUM_REQUESTS;
    button.textContent = "Stop the crowd";
    onNotice(`${NUM_REQUESTS} requests sent`);
    requests = Array.from({ length: NUM_REQUESTS }, (_, index) => {
      const content = `${BEGINNING}Tell a story about a ${HEROES[index % HEROES.length]}.`;
      const request = {
        messages: [{ role: "user", content }],
        temperature: 1,
        seed: index,
        max_tokens: 160,
        ignore_eos: true,
      };
      return connection.generate(request, { onToken: () => undefined, onDone: end, onError: end });
    });
  };
}
